//! JSON lines: objects, arrays, arrays of rows; what is nested or broken is refused.

use gapless_interchange::ReadOptions;
use proptest::prelude::*;

use crate::support::{Files, error, gzip, read, rows, texts, utc};

fn names(names: &[&str]) -> ReadOptions {
    ReadOptions {
        column_names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..utc()
    }
}

#[test]
fn objects_give_the_union_of_their_keys_and_null_where_one_is_missing() {
    let files = Files::new();
    let text = "{\"ts\":\"2024-01-01T00:00:00Z\",\"a\":1,\"s\":\"x\\u00e9\\n\"}\n\n\
                {\"b\":true,\"ts\":\"2024-01-01T00:00:01Z\",\"a\":2.5}\r\n  { \"ts\" : \"2024-01-02\" , \"s\" : null }";
    let (plan, batches) = read(&[files.add("a.jsonl", text)], &utc()).unwrap();
    let found: Vec<&str> = plan
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(found, ["ts", "a", "s", "b"]);
    assert_eq!(texts(&batches, "a"), ["1.0", "2.5", "-"]);
    assert_eq!(texts(&batches, "s"), ["xé\n", "-", "-"]);
    assert_eq!(texts(&batches, "b"), ["-", "true", "-"]);
}

#[test]
fn numbers_written_as_text_stay_text_unless_typed() {
    let files = Files::new();
    let path = files.add(
        "a.ndjson.gz",
        gzip(b"{\"ts_ms\":1514764802610,\"price\":\"1.50\"}\n"),
    );
    let (_, batches) = read(&[&path], &utc()).unwrap();
    assert_eq!(texts(&batches, "price"), ["1.50"]);
    let options = ReadOptions {
        types: vec![("price".into(), "f64".parse().unwrap())],
        ..utc()
    };
    assert_eq!(texts(&read(&[&path], &options).unwrap().1, "price"), ["1.5"]);
}

#[test]
fn arrays_are_rows_when_their_columns_are_named() {
    let files = Files::new();
    let path = files.add(
        "a.jsonl",
        "[1514764802610,\"A\",1.5]\n[1514764802611,\"B\",null]\n",
    );
    assert!(error(&path, &utc()).to_string().contains("--columns (3 names)"));
    let (_, batches) = read(&[&path], &names(&["ts_ms", "sym", "price"])).unwrap();
    assert_eq!(texts(&batches, "price"), ["1.5", "-"]);
    let found = error(&path, &names(&["ts_ms", "sym", "price", "size"]));
    assert!(
        found.line == Some(1) && found.to_string().contains("3 fields, not 4"),
        "{found}"
    );
}

#[test]
fn a_line_may_hold_an_array_of_rows_or_none() {
    let files = Files::new();
    let path = files.add(
        "a.json",
        "[[1514764802610,1],[1514764802611,2]]\n[]\n[{\"n\":3,\"ts_ms\":1514764802612}]\n",
    );
    let (_, batches) = read(&[path], &names(&["ts_ms", "n"])).unwrap();
    assert_eq!(texts(&batches, "n"), ["1", "2", "3"]);
    let path = files.add("b.json", "[[1514764802610,1],[1514764802611,\"x\"]]\n");
    let options = ReadOptions {
        types: vec![("n".into(), "i64".parse().unwrap())],
        ..names(&["ts_ms", "n"])
    };
    let found = error(path, &options);
    assert_eq!(
        (found.line, found.row, found.column.as_deref()),
        (Some(1), Some(2), Some("n")),
        "{found}"
    );
}

#[test]
fn nested_values_are_refused_by_name() {
    let files = Files::new();
    let path = files.add("a.jsonl", "{\"ts_ms\":1514764802610,\"book\":{\"bid\":[1,2]}}\n");
    let found = error(path, &utc());
    assert_eq!(found.column.as_deref(), Some("book"));
    assert_eq!(found.kind, gapless_interchange::ErrorKind::Invalid);
    assert!(found.to_string().contains("flatten"), "{found}");
}

#[test]
fn a_key_that_comes_after_the_sample_is_refused_not_dropped() {
    let files = Files::new();
    let path = files.add(
        "a.jsonl",
        "{\"ts_ms\":1514764802610}\n{\"ts_ms\":1514764802611,\"late\":1}\n",
    );
    let options = ReadOptions {
        sample_rows: 1,
        ..utc()
    };
    let found = error(&path, &options);
    assert!(
        found.line == Some(2) && found.to_string().contains("--type late="),
        "{found}"
    );
    let options = ReadOptions {
        types: vec![("late".into(), "i64".parse().unwrap())],
        ..options
    };
    assert_eq!(texts(&read(&[&path], &options).unwrap().1, "late"), ["-", "1"]);
}

#[test]
fn broken_json_is_refused_with_its_line() {
    let files = Files::new();
    for line in [
        "{\"ts_ms\":1514764802611",
        "{\"ts_ms\":}",
        "{\"ts_ms\" 1}",
        "{'ts_ms':1}",
        "{\"ts_ms\":01}",
        "{\"ts_ms\":1.}",
        "{\"ts_ms\":1e}",
        "{\"ts_ms\":NaN}",
        "{\"ts_ms\":nul}",
        "{\"ts_ms\":\"\\x\"}",
        "{\"ts_ms\":1}x",
        "1",
        "\"a\"",
        "[1,]",
        "{\"ts_ms\":1514764802611,\"ts_ms\":1514764802611}",
        "{\"ts_ms\":1514764802611,}",
        "[[1],2]",
        "[",
        "{\"a\":\"\u{1}\"}",
        "1723161254024619568 {\"e\":\"trade\"}",
    ] {
        let path = files.add("a.jsonl", format!("{{\"ts_ms\":1514764802610}}\n{line}\n"));
        let found = error(path, &utc());
        assert_eq!(found.line, Some(2), "{line}: {found}");
    }
    assert!(
        error(files.add("empty.jsonl", ""), &utc())
            .to_string()
            .contains("empty")
    );
    assert!(
        error(files.add("blank.jsonl", "\n"), &utc())
            .to_string()
            .contains("no rows")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// `serde_json` is the twin: a line of scalars is accepted if and only if it takes it.
    #[test]
    fn a_line_is_json_exactly_if_serde_json_says_so(
        value in "(-?[0-9]{1,3}(\\.[0-9]{0,2})?([eE][-+]?[0-9]{0,2})?|\"([a-z\"\\\\nu0-9é]{0,8})\"|null|true|fals)",
        tail in "[ ,}\\]x]{0,2}",
    ) {
        let files = Files::new();
        let line = format!("{{\"ts_ms\":1514764802610,\"v\":{value}}}{tail}");
        let accepted = serde_json::from_str::<serde_json::Value>(&line).is_ok();
        let read = read(&[files.add("a.jsonl", format!("{line}\n"))], &utc());
        prop_assert_eq!(read.is_ok(), accepted, "{}: {:?}", line, read.err().map(|error| error.to_string()));
        if let Ok((_, batches)) = read {
            prop_assert_eq!(rows(&batches), 1);
        }
    }
}
