//! The files in `tests/slt`, in the format of sqllogictest, each over a database of its own.
//!
//! `GAPLESS_SLT_UPDATE=1` writes what comes out into the files instead of comparing it. Read the difference before it is committed.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use gapless_engine::Error;
use gapless_sql::Session;
use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner};

use crate::fixture::Market;

/// Set while the files are written anew.
const UPDATE: &str = "GAPLESS_SLT_UPDATE";

struct Tested(Session);

impl DB for Tested {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let rows = self.0.sql(sql)?;
        let types = vec![DefaultColumnType::Any; rows.schema().fields().len()];
        let mut shown = Vec::new();
        for batch in rows {
            shown.extend(rows_of(&batch?));
        }
        Ok(DBOutput::Rows { types, rows: shown })
    }

    fn engine_name(&self) -> &'static str {
        "gapless"
    }
}

fn rows_of(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).expect("a type that can be shown"))
        .collect();
    let cell = |column: &ArrayFormatter<'_>, row| match column.value(row).to_string() {
        empty if empty.is_empty() => "(empty)".to_owned(),
        text => text,
    };
    let row = |row| {
        columns
            .iter()
            .map(|column| cell(column, row))
            .collect::<Vec<_>>()
            .join(" ")
    };
    // A plan is a text of several lines; their indentation would be trimmed.
    let line = |line: &str| vec![line.replace("  ", "--")];
    let rows: Vec<String> = (0..batch.num_rows()).map(row).collect();
    rows.iter()
        .flat_map(|row| row.trim_end().lines().map(line))
        .collect()
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let entries = std::fs::read_dir(directory).expect("the directory of the files");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn run(file: &Path) {
    let market = Market::new();
    let session = market.session();
    let mut runner = Runner::new(|| {
        let session = session.clone();
        async move { Ok(Tested(session)) }
    });
    if std::env::var_os(UPDATE).is_some() {
        let update = runner.update_test_file(
            file,
            " ",
            sqllogictest::default_validator,
            sqllogictest::default_normalizer,
            sqllogictest::default_column_validator,
        );
        futures_executor::block_on(update).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    } else if let Err(error) = runner.run_file(file) {
        panic!("{error}");
    }
}

#[test]
fn every_file_gives_what_it_says() {
    let files = files();
    assert!(!files.is_empty());
    files.iter().for_each(|file| run(file));
}
