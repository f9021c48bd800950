#[allow(unused_imports, reason = "x")]
use super::*;
