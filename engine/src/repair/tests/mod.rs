//! Repairs, on databases that were damaged on purpose.
//!
//! What shows here when it breaks: a range that is lost and not said to be, a row that was sound and is gone, another
//! version of a row that counts, a file that is deleted.

mod crash;
mod fixture;
mod mapping;
mod versions;
mod whole;
