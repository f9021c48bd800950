//! What a command has printed: rows, and how far it speaks for the range.
//!
//! - The first bytes tell the form: an Arrow IPC stream or file, Parquet, JSON lines, or CSV.
//! - Text ends with a line that says how far, if it says so. What could be the header of nothing (no row below it) must name the
//!   time column: a message in place of rows must not become "the source has nothing".

use arrow_array::RecordBatch;
use gapless::backfill::Fetched;
use gapless_interchange::{FileFormat, Source, TextStream, plan_text};

use super::index::Layout;
use super::marks::{Reach, time_of};
use super::printed::Printed;
use crate::error::CliError;

/// What errors call the output.
const NAME: &str = "<stdout>";
const THROUGH: &str = "#through";
const PARTIAL: &str = "#partial";

/// The rows of what was printed, which reaches so far at most.
pub(super) fn read(
    mut printed: Printed,
    mut reach: Reach,
    layout: &Layout<'_>,
    has_header: bool,
) -> Result<Fetched, CliError> {
    let failed = |error| CliError::io("cannot read what it printed", &error);
    let batches = match form(printed.head()) {
        Form::Typed(format) => {
            let path = printed.path().map_err(failed)?;
            typed(path, format, layout).map_err(|error| {
                // The file's name means nothing to anybody.
                let message = error.to_string().replace(&path.display().to_string(), NAME);
                CliError::new(error.kind(), message)
            })?
        }
        Form::Text(format) => {
            let mut text = printed.into_bytes().map_err(failed)?;
            let rows = trailer(&text, &mut reach)?.len();
            text.truncate(rows);
            self::text(text, format, layout, has_header)?
        }
    };
    Ok(Fetched {
        batches,
        through: reach.through,
        is_partial: reach.is_partial,
    })
}

enum Form {
    Typed(FileFormat),
    Text(FileFormat),
}

fn form(bytes: &[u8]) -> Form {
    if bytes.starts_with(&[0xFF; 4]) || bytes.starts_with(b"ARROW1") {
        return Form::Typed(FileFormat::ArrowIpc);
    }
    if bytes.starts_with(b"PAR1") {
        return Form::Typed(FileFormat::Parquet);
    }
    match bytes.trim_ascii_start().first() {
        Some(b'{' | b'[') => Form::Text(FileFormat::JsonLines),
        _ => Form::Text(FileFormat::Csv),
    }
}

fn typed(
    path: &std::path::Path,
    format: FileFormat,
    layout: &Layout<'_>,
) -> Result<Vec<RecordBatch>, CliError> {
    let files = [path.to_path_buf()];
    let layout = Layout {
        meta: layout.meta,
        options: gapless_interchange::ReadOptions {
            format: Some(format),
            ..layout.options.clone()
        },
    };
    let (plan, options) = layout.plan(|options| gapless_interchange::plan(&files, options))?;
    let mut batches = Vec::new();
    for batch in Source::open(&plan, &options)? {
        batches.push(
            layout
                .with_time(&plan, &batch?)
                .map_err(|error| CliError::internal(error.to_string()))?,
        );
    }
    Ok(batches)
}

fn text(
    mut text: Vec<u8>,
    format: FileFormat,
    layout: &Layout<'_>,
    has_header: bool,
) -> Result<Vec<RecordBatch>, CliError> {
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty());
    let first = lines.next();
    // An empty list is what many sources answer when they have nothing.
    let is_nothing = first.is_none_or(|line| format == FileFormat::JsonLines && line.trim_ascii() == b"[]");
    if is_nothing && lines.clone().next().is_none() {
        return Ok(Vec::new());
    }
    if lines.next().is_none() && format == FileFormat::Csv && has_header {
        return only_header(first.unwrap_or_default(), layout).map(|()| Vec::new());
    }
    if !text.ends_with(b"\n") {
        text.push(b'\n'); // The command has ended, and so has its last line.
    }
    let layout = Layout {
        meta: layout.meta,
        options: gapless_interchange::ReadOptions {
            format: Some(format),
            sample_rows: usize::MAX, // All of it is here: nothing need be guessed.
            ..layout.options.clone()
        },
    };
    let (plan, options) = layout.plan(|options| plan_text(NAME, format, &text, options))?;
    let mut stream = TextStream::new(&plan, &options, &text)?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.next_full()? {
        batches.push(batch);
    }
    while let Some(batch) = stream.take()? {
        batches.push(batch);
    }
    if let Some(line) = stream.unfinished_line() {
        return Err(CliError::invalid(format!(
            "{NAME}:{line}: a quote is open at the end"
        )));
    }
    let named = batches.iter().map(|batch| layout.with_time(&plan, batch));
    named
        .collect::<Result<_, _>>()
        .map_err(|error| CliError::internal(error.to_string()))
}

/// A header without rows has the time column.
fn only_header(line: &[u8], layout: &Layout<'_>) -> Result<(), CliError> {
    let line = String::from_utf8_lossy(line);
    let time = layout.options.time.as_deref().unwrap_or_default();
    let delimiter = layout.options.delimiter.map(char::from);
    let separates = |c: char| delimiter.map_or(matches!(c, ',' | ';' | '\t' | '|'), |given| c == given);
    let has_time = line
        .trim_start_matches('\u{feff}')
        .split(separates)
        .any(|field| field.trim().trim_matches('"') == time);
    match has_time {
        true => Ok(()),
        false => {
            let shown: String = line.trim_end().chars().take(80).collect();
            Err(CliError::invalid(format!(
                "{NAME}:1: found {shown:?}, expected rows, a header with the column {time:?}, or nothing"
            )))
        }
    }
}

/// Takes off the lines at the end that say how far.
fn trailer<'a>(bytes: &'a [u8], reach: &mut Reach) -> Result<&'a [u8], CliError> {
    let mut text = bytes;
    loop {
        let end = text.trim_ascii_end();
        let start = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let last = String::from_utf8_lossy(end.get(start..).unwrap_or_default());
        let last = last.trim();
        if last == PARTIAL {
            reach.is_partial = true;
        } else if let Some(time) = last.strip_prefix(THROUGH) {
            reach.through = Some(time_of(time, last)?);
        } else {
            return Ok(text);
        }
        text = end.get(..start).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_at_the_end_say_how_far_and_are_no_rows() {
        let mut reach = Reach::default();
        let text = b"ts,v\n1,2\n#partial\n#through 1970-01-01T00:00:01Z\n\n";
        assert_eq!(trailer(text, &mut reach).unwrap(), b"ts,v\n1,2\n");
        assert_eq!((reach.through, reach.is_partial), (Some(1_000_000_000), true));
        let mut reach = Reach::default();
        assert_eq!(trailer(b"#through 5ns", &mut reach).unwrap(), b"");
        assert_eq!(reach.through, Some(5));
        assert!(trailer(b"a\n#through soon\n", &mut reach).is_err());
        // Only at the end.
        assert_eq!(
            trailer(b"#partial\na\n", &mut Reach::default()).unwrap(),
            b"#partial\na\n"
        );
    }
}
