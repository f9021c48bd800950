//! What a command has printed: rows, and how far it speaks for the range.
//!
//! - The first bytes tell the form: an Arrow IPC stream or file, Parquet, JSON lines, or CSV.
//! - Text ends with a line that says how far, if it says so. What could be the header of nothing (no row below it) must name the
//!   time column: a message in place of rows must not become "the source has nothing".

use arrow_array::RecordBatch;
use gapless::backfill::Fetched;
use gapless_interchange::{FileFormat, Source, TextStream, plan_text};

use super::index::Layout;
use super::process::Ran;
use crate::error::CliError;
use crate::options::instant;

/// What errors call the output.
const NAME: &str = "<stdout>";
const THROUGH: &str = "#through";
const PARTIAL: &str = "#partial";
/// How a line on standard error begins that is for us.
const MARK: &str = "gapless:";

/// How far a command speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reach {
    through: Option<i64>,
    is_partial: bool,
}

/// The rows of what was printed.
pub(super) fn read(ran: &Ran, layout: &Layout<'_>, has_header: bool) -> Result<Fetched, CliError> {
    let mut reach = of_stderr(&ran.stderr)?;
    let path = ran.stdout.path();
    let bytes = std::fs::read(path).map_err(|error| CliError::io("cannot read what it printed", &error))?;
    let batches = match form(&bytes) {
        Form::Typed(format) => typed(path, format, layout).map_err(|error| {
            // The file's name means nothing to anybody.
            let message = error.to_string().replace(&path.display().to_string(), NAME);
            CliError::new(error.kind(), message)
        })?,
        Form::Text(format) => {
            let text = trailer(&bytes, &mut reach)?;
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
    text: &[u8],
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
    let mut whole = text.to_vec();
    if !whole.ends_with(b"\n") {
        whole.push(b'\n'); // The command has ended, and so has its last line.
    }
    let layout = Layout {
        meta: layout.meta,
        options: gapless_interchange::ReadOptions {
            format: Some(format),
            sample_rows: usize::MAX, // All of it is here: nothing need be guessed.
            ..layout.options.clone()
        },
    };
    let (plan, options) = layout.plan(|options| plan_text(NAME, format, &whole, options))?;
    let mut stream = TextStream::new(&plan, &options, &whole)?;
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

fn of_stderr(stderr: &str) -> Result<Reach, CliError> {
    let mut reach = Reach::default();
    for line in stderr.lines() {
        let Some(said) = line.trim().strip_prefix(MARK).map(str::trim) else {
            continue;
        };
        if said == "partial" {
            reach.is_partial = true;
        } else if let Some(time) = said.strip_prefix("through=") {
            reach.through = Some(time_of(time, line)?);
        }
    }
    Ok(reach)
}

fn time_of(text: &str, line: &str) -> Result<i64, CliError> {
    instant(text).map_err(|error| CliError::invalid(format!("{line:?}: the time {error}")))
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

    #[test]
    fn standard_error_may_say_it_among_other_things() {
        let said =
            of_stderr("asking...\ngapless: through=1970-01-01T00:00:01Z\ngapless: partial\ndone\n").unwrap();
        assert_eq!((said.through, said.is_partial), (Some(1_000_000_000), true));
        assert_eq!(of_stderr("gapless: hello\n").unwrap(), Reach::default());
        assert!(of_stderr("gapless: through=\n").is_err());
    }
}
