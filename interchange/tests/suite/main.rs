//! Tests of the public API: files in, batches out, and back.
//!
//! One binary. Each module names what it would catch.

#![allow(missing_docs, reason = "tests")]

mod real_files;
mod support;
