//! The text that a scraper reads, and the endpoint it reads it from.

mod endpoint;
mod exposition;
