//! Integration tests of the facade: one binary, one module for each promise.

mod common;
mod concurrent;
mod crash;
mod full_disk;
mod hostile;
mod opening;
mod scan_model;
mod write_read;
