//! Queries against plain twins, through the public API.

mod around;
