//! Many threads, and many processes, on one database at once.
//!
//! Failed once: a process that opened while another committed called the log cut; two garbage collections at once
//! stumbled over each other; a collection took the segments of a writer that had just come. Each would show here as an error of a child or thread.

pub mod child;
mod processes;
mod threads;
