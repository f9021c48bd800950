//! Integration tests of the facade: one binary, one module for each promise.

mod common;
mod scan_model;
mod write_read;
