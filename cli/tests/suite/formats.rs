//! One answer in one format is the same bytes on standard output and in a file. Two writers made them once: decimals were numbers in
//! a JSON file, symbols plain text in Parquet of a pipe, intervals and structs in CSV only on standard output.

use arrow_array::RecordBatch;
use serde_json::Value;

use crate::support::Place;

/// Every kind of value that SQL makes, with its nulls.
const ALL: &str = "SELECT * FROM (VALUES \
    (1, true, CAST(1 AS TINYINT), CAST(2 AS INT), CAST(3 AS BIGINT UNSIGNED), CAST(0.1 AS REAL), 1e300, CAST(1.5 AS DECIMAL(10, 2)), \
     arrow_cast(1.25, 'Decimal256(50, 2)'), 'a,\"b\"\n', arrow_cast('v', 'Utf8View'), arrow_cast('A', 'Dictionary(UInt32, Utf8)'), \
     X'00ff', DATE '2026-11-20', TIME '09:30:00.5', TIMESTAMP '2026-11-20 09:30:00.123456789', \
     arrow_cast(1, 'Timestamp(Millisecond, Some(\"UTC\"))'), arrow_cast(90, 'Duration(Second)'), \
     [1.5, NULL, CAST('NaN' AS DOUBLE)], [arrow_cast('A', 'Dictionary(UInt32, Utf8)')], {a: 1, b: CAST(2.50 AS DECIMAL(5, 2)), c: ['x']}), \
    (2, NULL, NULL, NULL, NULL, NULL, CAST('NaN' AS DOUBLE), NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
     NULL, NULL)) \
    AS t(id, yes, i8, i32, u64, f32, f64, price, wide, text, view, sym, bytes, day, clock, local, ts, span, list, syms, book) ORDER BY id";

/// What Parquet does not hold.
const TEXT_ONLY: &str = "SELECT INTERVAL '1 month 2 days' AS span, NULL AS nothing, MAP {'a': 1} AS m";

fn printed(place: &Place, statement: &str, format: &str) -> Vec<u8> {
    let output = place.output(&["query", "db", statement, "--format", format]);
    assert!(
        output.status.success(),
        "{format}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn filed(place: &Place, statement: &str, format: &str) -> Vec<u8> {
    let output = place.output(&[
        "query",
        "db",
        statement,
        "--format",
        format,
        "-o",
        "rows",
        "--overwrite",
    ]);
    assert!(
        output.status.success(),
        "{format}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(place.path("rows")).unwrap()
}

fn arrow_rows(bytes: &[u8], is_stream: bool) -> Vec<RecordBatch> {
    use arrow_ipc::reader::{FileReader, StreamReader};
    let batches: Result<Vec<_>, _> = match is_stream {
        true => StreamReader::try_new(bytes, None).unwrap().collect(),
        false => FileReader::try_new(std::io::Cursor::new(bytes), None)
            .unwrap()
            .collect(),
    };
    batches.unwrap()
}

#[test]
fn a_file_has_the_bytes_of_standard_output() {
    let place = Place::with_trades();
    let none = "SELECT * FROM trade WHERE size < 0";
    for statement in [ALL, "SELECT * FROM trade ORDER BY ts, sym", none, TEXT_ONLY] {
        for format in ["csv", "json", "jsonl", "parquet"] {
            if (statement, format) == (TEXT_ONLY, "parquet") {
                continue;
            }
            let (printed, filed) = (
                printed(&place, statement, format),
                filed(&place, statement, format),
            );
            assert!(
                printed == filed,
                "{statement}\n{format}\n{}\n{}",
                String::from_utf8_lossy(&printed),
                String::from_utf8_lossy(&filed)
            );
        }
        // A pipe cannot be sought in, so Arrow is a stream there: the same rows in another frame.
        let stream = arrow_rows(&printed(&place, statement, "arrow"), true);
        assert_eq!(
            stream,
            arrow_rows(&filed(&place, statement, "arrow"), false),
            "{statement}"
        );
    }
}

#[test]
fn every_kind_of_value_is_written_as_it_is_said() {
    let place = Place::with_trades();
    let lines = String::from_utf8(printed(&place, ALL, "jsonl")).unwrap();
    let first = "{\"id\":1,\"yes\":true,\"i8\":1,\"i32\":2,\"u64\":3,\"f32\":0.1,\"f64\":1e300,\"price\":\"1.50\",\"wide\":\"1.25\",\
        \"text\":\"a,\\\"b\\\"\\n\",\"view\":\"v\",\"sym\":\"A\",\"bytes\":\"00ff\",\"day\":\"2026-11-20\",\
        \"clock\":\"09:30:00.500000000\",\"local\":\"2026-11-20T09:30:00.123456789\",\"ts\":\"1970-01-01T00:00:00.001000000Z\",\
        \"span\":90,\"list\":[1.5,null,\"NaN\"],\"syms\":[\"A\"],\"book\":{\"a\":1,\"b\":\"2.50\",\"c\":[\"x\"]}}";
    assert_eq!(lines.lines().next().unwrap(), first);
    let second: Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    let given: Vec<&String> = second
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(given, ["f64", "id", "text"]);
    let csv = String::from_utf8(printed(&place, ALL, "csv")).unwrap();
    let second = csv.lines().nth(3).unwrap();
    assert_eq!(second, "2,,,,,,NaN,,,\"\",,,,,,,,,,,");
    let text = String::from_utf8(printed(&place, TEXT_ONLY, "csv")).unwrap();
    assert_eq!(text, "span,nothing,m\n1 mons 2 days,,{a: 1}\n");
    let said = place.run_words(&["query", "db", TEXT_ONLY, "--format", "parquet"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("cannot be written as Parquet"), "{}", said.err);
    assert!(said.err.contains("hint: cast the column"), "{}", said.err);
}

#[test]
fn no_rows_have_their_columns_in_every_format() {
    let place = Place::with_trades();
    let none = "SELECT sym, size FROM trade WHERE size < 0";
    let text = |format: &str| String::from_utf8(printed(&place, none, format)).unwrap();
    assert_eq!(text("csv"), "sym,size\n");
    assert_eq!(text("json"), "[]\n");
    assert_eq!(text("jsonl"), "");
    let bytes = printed(&place, none, "arrow");
    let schema = arrow_ipc::reader::StreamReader::try_new(bytes.as_slice(), None)
        .unwrap()
        .schema();
    assert_eq!(schema.fields().len(), 2);
    let bytes = filed(&place, none, "parquet");
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(
        std::fs::File::open(place.path("rows")).unwrap(),
    );
    assert_eq!(builder.unwrap().schema().fields().len(), 2);
    assert_eq!(bytes, printed(&place, none, "parquet"));
}

#[test]
fn a_row_of_one_null_is_no_blank_line() {
    let place = Place::with_trades();
    assert_eq!(printed(&place, "SELECT NULL AS a", "csv"), b"a\n\"\"\n");
}

#[test]
fn an_array_has_the_layout_of_the_document_of_its_rows() {
    let place = Place::with_trades();
    let array = printed(
        &place,
        "SELECT size FROM trade WHERE size < 10 ORDER BY size",
        "json",
    );
    assert_eq!(array, b"[\n  {\"size\":5},\n  {\"size\":7}\n]\n");
}
