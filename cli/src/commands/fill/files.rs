//! The strategy that takes rows from files.

use std::ops::Range;
use std::path::{Path, PathBuf};

use gapless::Gap;
use gapless::backfill::{BackfillError, BackfillErrorKind, BackfillStrategy, Filled, GapWriter};

use super::index::Index;
use crate::error::CliError;
use crate::render::plural;

/// Names of files that are taken from a directory end in these, perhaps with a compression after it.
const EXTENSIONS: [&str; 11] = [
    "csv", "tsv", "txt", "jsonl", "ndjson", "json", "parquet", "pq", "arrow", "ipc", "feather",
];

/// Why a gap is left that was none before.
const CAME_UP: &str = "it came up while the files were read: run fill again";

/// Files that were read.
pub(super) struct Files {
    index: Index,
    /// Where they have no row, there is none.
    attests_empty: bool,
}

impl Files {
    pub(super) fn new(index: Index, attests_empty: bool) -> Self {
        Self { index, attests_empty }
    }
}

impl BackfillStrategy for Files {
    fn fill(&self, gap: &Gap, writer: &mut GapWriter) -> Result<Filled, BackfillError> {
        writer.set_source(self.name());
        let series = gap.series.as_deref();
        let (mut is_exhausted, mut wrote) = (false, false);
        // Part by part: a file that has rows of one says nothing of the next. What was no gap when the files were read is left
        // alone, as its rows were not kept.
        for part in writer.remaining().to_vec() {
            for known in self.index.known(series, &part) {
                let rows = self.index.rows(series, &known);
                match rows.num_rows() == 0 && !self.attests_empty {
                    true => is_exhausted = true,
                    false => {
                        writer.write(known, &[rows])?;
                        wrote = true;
                    }
                }
            }
        }
        let is_known = |part: &Range<i64>| {
            let known = self.index.known(series, part);
            known.iter().map(|known| known.end - known.start).sum::<i64>() == part.end - part.start
        };
        if !writer.remaining().iter().all(is_known) {
            return Err(BackfillError::new(BackfillErrorKind::Permanent, CAME_UP));
        }
        match is_exhausted && !wrote {
            true => Err(self.has_nothing(gap)),
            false => Ok(Filled { is_exhausted }),
        }
    }

    fn name(&self) -> &'static str {
        "files"
    }
}

impl Files {
    fn has_nothing(&self, gap: &Gap) -> BackfillError {
        let files = plural(self.index.files() as u64, "file");
        let what = match (&gap.series, self.index.has_series(gap.series.as_deref())) {
            (Some(series), false) => format!("no gap of {series:?} has a row in {files}"),
            _ => format!("no row of this range is in {files}"),
        };
        BackfillError::new(
            BackfillErrorKind::Permanent,
            format!("{what}; with --attest-empty that means that there is none"),
        )
    }
}

/// The files that are meant: directories stand for the files of known names in them, and in directories in them.
pub(super) fn expand(given: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in given {
        match path.is_dir() {
            false => files.push(path.clone()),
            true => {
                let before = files.len();
                walk(path, &mut files)?;
                if files.len() == before {
                    return Err(CliError::invalid(format!(
                        "{} holds no file whose name ends in {}",
                        path.display(),
                        EXTENSIONS.map(|extension| format!(".{extension}")).join(", ")
                    )));
                }
            }
        }
    }
    Ok(files)
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::io(format!("cannot list {}", directory.display()), &error);
    let mut entries = std::fs::read_dir(directory)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // A link to a directory is not followed: it may lead back.
        if entry.file_type().map_err(failed)?.is_dir() {
            walk(&path, files)?;
        } else if is_known(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_known(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
    let name = name.unwrap_or_default();
    let plain = [".gz", ".gzip", ".zst", ".zstd"]
        .iter()
        .find_map(|compressed| name.strip_suffix(compressed))
        .unwrap_or(&name);
    let extension = plain.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

#[cfg(test)]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "a list of one range is what is meant"
)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_directory_are_known_by_their_names() {
        for (name, known) in [
            ("a.csv", true),
            ("a.CSV.gz", true),
            ("a.parquet", true),
            ("a.csv.reasons", false),
            ("README", false),
            ("csv", false),
            (".csv.swp", false),
        ] {
            assert_eq!(is_known(Path::new(name)), known, "{name}");
        }
    }

    #[test]
    fn a_gap_that_came_up_while_files_were_read_is_not_attested() {
        use arrow_schema::{DataType, Field, Schema, TimeUnit};
        use gapless::{Database, GapQuery, TableSpec};
        let directory = tempfile::tempdir().expect("a directory");
        let database = Database::builder(directory.path().join("db"))
            .open()
            .expect("a database");
        let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        let schema = Schema::new(vec![Field::new("ts", time, false)]);
        let table = database
            .create_table(&TableSpec::new("t", schema).time("ts"))
            .expect("a table");
        for (read, outcomes) in [
            (vec![20..30], (0, 1)),
            (vec![0..10, 20..30], (0, 2)),
            (vec![0..40], (2, 0)),
        ] {
            let report = table
                .backfill(Files::new(Index::without_rows(None, read), true))
                .range(0, 40)
                .interval(10)
                .run()
                .expect("a report");
            assert_eq!(
                (report.count("empty"), report.count("failed")),
                outcomes,
                "{report:?}"
            );
            if outcomes.1 > 0 {
                assert!(format!("{report:?}").contains(CAME_UP), "{report:?}");
                let left = table.gaps(&GapQuery::new(0, 40).interval(10)).expect("gaps");
                assert!(left.iter().any(|gap| gap.end == 40), "{left:?}");
            }
        }
        assert!(
            table
                .gaps(&GapQuery::new(0, 40).interval(10))
                .expect("gaps")
                .is_empty()
        );
    }
}
