//! Small files, and short ways to read them.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use gapless_interchange::{InterchangeError, Plan, ReadOptions, Source, plan};
use tempfile::TempDir;

/// A directory of test files that goes away with the value.
pub struct Files {
    directory: TempDir,
}

impl Files {
    pub fn new() -> Files {
        Files {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn add(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(content, 1).unwrap()
}

/// Options whose naive times are UTC.
pub fn utc() -> ReadOptions {
    ReadOptions {
        zone: Some("UTC".into()),
        ..Default::default()
    }
}

pub fn read(
    files: &[impl AsRef<Path>],
    options: &ReadOptions,
) -> Result<(Plan, Vec<RecordBatch>), InterchangeError> {
    let files: Vec<PathBuf> = files.iter().map(|file| file.as_ref().to_path_buf()).collect();
    let plan = plan(&files, options)?;
    let batches = Source::open(&plan, options)?.collect::<Result<Vec<_>, _>>()?;
    for batch in &batches {
        assert_eq!(batch.schema(), plan.schema, "every batch has the plan's schema");
        assert!(
            batch.num_rows() <= options.batch_rows,
            "no batch is longer than asked"
        );
    }
    Ok((plan, batches))
}

/// The error that reading one file gives.
pub fn error(file: impl AsRef<Path>, options: &ReadOptions) -> InterchangeError {
    match read(&[file], options) {
        Ok((plan, batches)) => panic!("read {} rows of {:?}", rows(&batches), plan.schema),
        Err(error) => error,
    }
}

pub fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// One column as text, nulls as `-`.
pub fn texts(batches: &[RecordBatch], column: &str) -> Vec<String> {
    let options = arrow_cast::display::FormatOptions::new()
        .with_null("-")
        .with_timestamp_tz_format(None);
    let mut found = Vec::new();
    for batch in batches {
        let mut array = batch
            .column_by_name(column)
            .unwrap_or_else(|| panic!("no column {column}"))
            .clone();
        if let arrow_schema::DataType::Timestamp(unit, Some(_)) = array.data_type() {
            // Shown in UTC, whatever the zone.
            let naive = arrow_schema::DataType::Timestamp(*unit, Some("+00:00".into()));
            array = arrow_cast::cast(&array, &naive).unwrap();
        }
        let formatter = arrow_cast::display::ArrayFormatter::try_new(&array, &options).unwrap();
        found.extend((0..batch.num_rows()).map(|row| formatter.value(row).to_string()));
    }
    found
}
