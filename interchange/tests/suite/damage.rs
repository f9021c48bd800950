//! Damaged files: every truncation and many flipped bytes end in an error or in rows, never in a panic or a hang.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use gapless_interchange::{OnError, ReadOptions, WriteFormat, WriteOptions, Writer};
use proptest::prelude::*;

use crate::support::{Files, gzip, read, utc, zstd};

fn sample() -> RecordBatch {
    let times: ArrayRef = Arc::new(Int64Array::from(
        (0..50).map(|i| 1_514_764_802_610 + i).collect::<Vec<_>>(),
    ));
    let values: ArrayRef = Arc::new(Float64Array::from((0..50).map(f64::from).collect::<Vec<_>>()));
    let names: ArrayRef = Arc::new(StringArray::from(
        (0..50).map(|i| format!("n{}", i % 3)).collect::<Vec<_>>(),
    ));
    RecordBatch::try_from_iter([("ts_ms", times), ("value", values), ("name", names)]).unwrap()
}

fn written(files: &Files, name: &str, format: WriteFormat) -> Vec<u8> {
    let batch = sample();
    let path = files.path(name);
    let mut writer = Writer::create(&path, format, batch.schema(), &WriteOptions::default()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn every_truncation_of_a_binary_file_is_refused() {
    let files = Files::new();
    for (name, format) in [
        ("a.parquet", WriteFormat::Parquet),
        ("a.arrow", WriteFormat::ArrowIpc),
    ] {
        let whole = written(&files, name, format);
        for length in (0..whole.len()).step_by(7) {
            assert!(
                read(&[files.add(name, &whole[..length])], &utc()).is_err(),
                "{name} cut to {length}"
            );
        }
        assert!(read(&[files.add(name, &whole)], &utc()).is_ok());
    }
}

#[test]
fn every_truncation_of_a_packed_text_file_is_refused() {
    let files = Files::new();
    let text = written(&files, "a.csv", WriteFormat::Csv);
    for (name, whole) in [("a.csv.gz", gzip(&text)), ("a.csv.zst", zstd(&text))] {
        for length in 0..whole.len() {
            assert!(
                read(&[files.add(name, &whole[..length])], &utc()).is_err(),
                "{name} cut to {length}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn flipped_bytes_are_an_error_or_rows_and_never_a_panic(
        which in 0usize..6,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
    ) {
        let files = Files::new();
        let text = written(&files, "t.csv", WriteFormat::Csv);
        let (name, mut bytes) = match which {
            0 => ("a.parquet", written(&files, "t.parquet", WriteFormat::Parquet)),
            1 => ("a.arrow", written(&files, "t.arrow", WriteFormat::ArrowIpc)),
            2 => ("a.csv", text),
            3 => ("a.jsonl", written(&files, "t.jsonl", WriteFormat::JsonLines)),
            4 => ("a.csv.gz", gzip(&text)),
            _ => ("a.csv.zst", zstd(&text)),
        };
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Err(error) = read(&[files.add(name, &bytes)], &utc()) {
            prop_assert!(!error.to_string().contains("thread died"), "{}", error);
        }
    }

    #[test]
    fn any_bytes_after_a_good_header_are_an_error_or_rows(
        bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'1'), any::<u8>()], 0..200),
        json in any::<bool>(),
        skip in any::<bool>(),
    ) {
        let files = Files::new();
        let start: &[u8] = if json { b"{\"ts_ms\":1514764802610,\"v\":1}\n" } else { b"ts_ms,v\n1514764802610,1\n" };
        let path = files.add(if json { "a.jsonl" } else { "a.csv" }, [start, &bytes].concat());
        let mut options = ReadOptions { sample_rows: 1, batch_rows: 3, ..utc() };
        if skip {
            options.on_error = OnError::Skip { rejects: files.path("bad") };
        }
        if let Err(error) = read(&[path], &options) {
            prop_assert!(!skip, "every bad line can be put aside: {}", error);
            prop_assert!(error.line.is_some(), "{}", error);
        }
    }
}
