//! Integration tests of the facade: one binary, one module for each promise.

mod attributes;
mod backfill;
mod cells;
mod common;
mod compaction;
mod concurrent;
mod coverage;
mod crash;
mod full_disk;
mod golden;
mod heal;
mod hostile;
mod layout;
mod live;
mod opening;
mod peers;
mod peers_bugs;
mod real_data;
mod real_gaps;
mod scan_model;
mod semantics;
mod stream;
mod subscribe;
mod types;
mod write_read;
