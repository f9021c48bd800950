//! Tests of the public API: files in, batches out, and back.
//!
//! One binary. Each module says what it would catch.

#![allow(missing_docs, reason = "tests")]

mod csv;
mod damage;
mod json;
mod real_files;
mod rejects;
mod schema;
mod support;
mod times;
mod typed;
mod write;
