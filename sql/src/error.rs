//! DataFusion's errors as the engine's, so that a caller sees one type and one set of kinds.

use datafusion::common::DataFusionError;
use gapless_engine::{Error, ErrorKind};

/// What the planner says before and after the sentence that tells what is wrong with the arguments of a function.
const ARGUMENTS: &str = "No function matches the given name";
const COERCION: &str = "user-defined coercion failed with: ";
const CANDIDATES: &str = "\n\tCandidate functions:";

/// The error of a statement.
///
/// What the engine said comes out as it was. Wrong SQL is `Invalid`, what is not there yet `Unsupported`, a statement that needs
/// more memory than it may have `Overloaded`.
pub(crate) fn from_datafusion(error: DataFusionError) -> Error {
    let kind = match &error {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(own) => return own.clone(),
            None => ErrorKind::Internal,
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            return from_datafusion_ref(inner);
        }
        DataFusionError::Shared(inner) => return from_datafusion_ref(inner),
        other => kind_of(other),
    };
    let message = message_of(&error);
    Error::new(kind, message).with_source(error)
}

fn from_datafusion_ref(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(own) => own.clone(),
            None => Error::new(ErrorKind::Internal, message_of(error)),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            from_datafusion_ref(inner)
        }
        DataFusionError::Shared(inner) => from_datafusion_ref(inner),
        DataFusionError::Collection(all) => match all.first() {
            Some(first) => from_datafusion_ref(first),
            None => Error::internal("an error without a cause"),
        },
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            arrow_schema::ArrowError::ExternalError(inner) if inner.is::<Error>() => inner
                .downcast_ref::<Error>()
                .cloned()
                .unwrap_or_else(|| Error::internal(inner.to_string())),
            _ => Error::new(ErrorKind::Invalid, message_of(error)),
        },
        other => Error::new(kind_of(other), message_of(other)),
    }
}

fn kind_of(error: &DataFusionError) -> ErrorKind {
    use DataFusionError as D;
    match error {
        D::SQL(..) | D::Plan(_) | D::SchemaError(..) | D::Configuration(_) => ErrorKind::Invalid,
        // What a row makes of an expression: a division by zero, a cast that does not fit.
        D::Execution(_) | D::ArrowError(..) => ErrorKind::Invalid,
        D::NotImplemented(_) => ErrorKind::Unsupported,
        D::ResourcesExhausted(_) => ErrorKind::Overloaded,
        D::IoError(_) => ErrorKind::Io,
        _ => ErrorKind::Internal,
    }
}

/// The message without the name of the planner's stage before it.
fn message_of(error: &DataFusionError) -> String {
    let message = match error {
        DataFusionError::SchemaError(inner, _) => inner.to_string(),
        DataFusionError::SQL(inner, _) => inner.to_string(),
        DataFusionError::ResourcesExhausted(text) => format!(
            "the statement needs more memory than it may have: {text}. Select less, or let it have more"
        ),
        other => other.strip_backtrace().clone(),
    };
    let message = match message.split_once(COERCION) {
        // The function has said itself what is wrong with its arguments.
        Some((_, own)) => own.split(ARGUMENTS).next().unwrap_or(own).trim_end().to_owned(),
        None => message,
    };
    let message = match message.find(ARGUMENTS).and_then(|at| message.get(at..)) {
        Some(sentence) => sentence.split(CANDIDATES).next().unwrap_or(sentence).to_owned(),
        None => message,
    };
    const STAGES: [&str; 5] = [
        "Error during planning: ",
        "Execution error: ",
        "This feature is not implemented: ",
        "Arrow error: ",
        "Optimizer rule ",
    ];
    let stripped = STAGES.iter().find_map(|stage| message.strip_prefix(stage));
    stripped.map(str::to_owned).unwrap_or(message)
}

/// An engine's error inside of DataFusion's.
pub(crate) fn to_datafusion(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
