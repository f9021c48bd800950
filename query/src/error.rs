//! Errors of Arrow kernels, in the terms of the engine.

use arrow_schema::ArrowError;
use gapless_engine::Error;

/// What a kernel says of values is the caller's to mend; anything else is a bug.
pub(crate) fn arrow_error(what: &str, error: &ArrowError) -> Error {
    match error {
        ArrowError::ArithmeticOverflow(_)
        | ArrowError::DivideByZero
        | ArrowError::CastError(_)
        | ArrowError::ComputeError(_)
        | ArrowError::ParseError(_)
        | ArrowError::InvalidArgumentError(_) => Error::invalid(format!("{what}: {error}")),
        error => Error::internal(format!("{what}: {error}")),
    }
}
