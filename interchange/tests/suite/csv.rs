//! CSV: what is accepted, what is refused, and that an error says where.

use gapless_interchange::{ErrorKind, FileFormat, ReadOptions};
use proptest::prelude::*;

use crate::support::{Files, error, gzip, read, rows, texts, utc, zstd};

fn milliseconds() -> ReadOptions {
    ReadOptions {
        time: Some("ts_ms".into()),
        ..Default::default()
    }
}

#[test]
fn plain_gzip_and_zstd_files_give_the_same_rows() {
    let files = Files::new();
    let text = b"ts_ms,sym,price\n1514764802610,A,1.5\n1514764802611,B,\n";
    let paths = [
        files.add("a.csv", text),
        files.add("a.csv.gz", gzip(text)),
        files.add("a.csv.zst", zstd(text)),
        files.add(
            "two-members.csv.gz",
            [gzip(&text[..20]), gzip(&text[20..])].concat(),
        ),
        files.add(
            "two-frames.csv.zst",
            [zstd(&text[..20]), zstd(&text[20..])].concat(),
        ),
        files.add("packed-without-saying-so.csv", gzip(text)),
    ];
    for path in paths {
        let (plan, batches) = read(&[path], &milliseconds()).unwrap();
        assert_eq!(plan.time, "ts_ms");
        assert_eq!(
            texts(&batches, "ts_ms"),
            ["2018-01-01T00:00:02.610Z", "2018-01-01T00:00:02.611Z"]
        );
        assert_eq!(texts(&batches, "price"), ["1.5", "-"]);
    }
}

#[test]
fn crlf_byte_order_mark_blank_lines_and_a_missing_last_line_end_are_accepted() {
    let files = Files::new();
    let path = files.add(
        "a.csv",
        "\u{FEFF}ts_ms,sym\r\n\r\n1514764802610,A\r\n\n1514764802611,B",
    );
    let (plan, batches) = read(&[path], &milliseconds()).unwrap();
    assert_eq!(plan.schema.field(0).name(), "ts_ms");
    assert_eq!(texts(&batches, "sym"), ["A", "B"]);
}

#[test]
fn quoted_fields_hold_delimiters_quotes_and_line_ends() {
    let files = Files::new();
    let text = "ts_ms,note\n1514764802610,\"a,b\"\n1514764802611,\"say \"\"hi\"\"\"\n1514764802612,\"two\nlines\"\n\
                1514764802613,5\" pipe\n1514764802614,bad,row\n";
    let found = error(files.add("a.csv", text), &milliseconds());
    assert_eq!(found.line, Some(7), "the line end inside quotes counts: {found}");
    let good = text.rsplit_once("1514764802614").unwrap().0;
    let (_, batches) = read(&[files.add("b.csv", good)], &milliseconds()).unwrap();
    assert_eq!(
        texts(&batches, "note"),
        ["a,b", "say \"hi\"", "two\nlines", "5\" pipe"]
    );
}

#[test]
fn an_empty_field_is_null_and_a_quoted_empty_text_is_the_empty_string() {
    let files = Files::new();
    let path = files.add(
        "a.csv",
        "ts_ms,note,n\n1514764802610,,\n1514764802611,\"\",\"\"\n1514764802612,NA,NA\n",
    );
    let options = ReadOptions {
        null_values: vec![String::new(), "NA".into()],
        ..milliseconds()
    };
    let (_, batches) = read(&[path], &options).unwrap();
    assert_eq!(texts(&batches, "note"), ["-", "", "-"]);
    assert_eq!(
        batches[0].column_by_name("n").unwrap().null_count(),
        2,
        "nothing is known of n: it is text"
    );
}

#[test]
fn other_delimiters_are_seen_in_the_header_or_given() {
    let files = Files::new();
    for (name, delimiter) in [("a.csv", ";"), ("a.txt", "|"), ("a.tsv", "\t")] {
        let path = files.add(
            name,
            format!("ts_ms{delimiter}price\n1514764802610{delimiter}1.5\n"),
        );
        assert_eq!(rows(&read(&[path], &milliseconds()).unwrap().1), 1, "{name}");
    }
    let path = files.add("b.csv", "ts_ms~price\n1514764802610~1.5\n");
    let options = ReadOptions {
        delimiter: Some(b'~'),
        ..milliseconds()
    };
    assert_eq!(texts(&read(&[path], &options).unwrap().1, "price"), ["1.5"]);
}

#[test]
fn columns_without_a_header_are_named_by_the_user() {
    let files = Files::new();
    let path = files.add("a.csv", "1514764802610,A\n1514764802611,B\n");
    let options = ReadOptions {
        header: false,
        ..milliseconds()
    };
    assert!(error(&path, &options).to_string().contains("--columns"));
    let options = ReadOptions {
        column_names: Some(vec!["ts_ms".into(), "sym".into()]),
        ..options
    };
    assert_eq!(rows(&read(&[path], &options).unwrap().1), 2);
}

#[test]
fn a_bad_number_names_file_line_column_value_and_a_way_out() {
    let files = Files::new();
    let text = format!(
        "ts_ms,price\n{}1514764802610,\"12,5\"\n",
        "1514764802610,1.5\n".repeat(15)
    );
    let options = ReadOptions {
        sample_rows: 10,
        ..milliseconds()
    };
    let path = files.add("trades.csv", text);
    let found = error(&path, &options);
    assert_eq!(found.kind, ErrorKind::Invalid);
    assert_eq!(
        found.to_string(),
        format!(
            "{}:17: column price: \"12,5\" is not a number (f64), which the sampled values are; \
             use --delimiter ';' or --type price=utf8",
            path.display()
        )
    );
}

#[test]
fn a_later_float_in_a_column_of_sampled_integers_says_how_to_take_it() {
    let files = Files::new();
    let path = files.add("a.csv", "ts_ms,n\n1514764802610,1\n1514764802611,2.5\n");
    let options = ReadOptions {
        sample_rows: 1,
        ..milliseconds()
    };
    let found = error(&path, &options);
    assert_eq!((found.line, found.column.as_deref()), (Some(3), Some("n")));
    assert_eq!(found.hint.as_deref(), Some("pass --type n=f64"));
    let options = ReadOptions {
        types: vec![("n".into(), "f64".parse().unwrap())],
        ..options
    };
    assert_eq!(texts(&read(&[path], &options).unwrap().1, "n"), ["1.0", "2.5"]);
}

#[test]
fn every_given_type_is_read_exactly() {
    let files = Files::new();
    let text = "ts_ms,b,i8,u64,f32,d,day,t,at,span,x\n\
                1514764802610,true,-128,18446744073709551615,1.5,12.3400,2018-01-01,10:11:12.5,2018-01-01T00:00:00Z,7,00ff\n\
                1514764802611,,,,,,,,,,\n";
    let types = [
        ("b", "bool"),
        ("i8", "i8"),
        ("u64", "u64"),
        ("f32", "f32"),
        ("d", "decimal(10,2)"),
        ("day", "date"),
        ("t", "time(ms)"),
        ("at", "timestamp(s)"),
        ("span", "duration(ms)"),
        ("x", "binary"),
    ];
    let types = types
        .iter()
        .map(|(name, given)| ((*name).to_owned(), given.parse().unwrap()))
        .collect();
    let options = ReadOptions {
        types,
        ..milliseconds()
    };
    let (_, batches) = read(&[files.add("a.csv", text)], &options).unwrap();
    let found: Vec<String> = ["b", "i8", "u64", "f32", "d", "day", "t", "at", "x"]
        .iter()
        .map(|column| texts(&batches, column)[0].clone())
        .collect();
    let expected = [
        "true",
        "-128",
        "18446744073709551615",
        "1.5",
        "12.34",
        "2018-01-01",
        "10:11:12.500",
        "2018-01-01T00:00:00Z",
        "00ff",
    ];
    assert_eq!(found, expected);
    for column in batches[0].columns().iter().skip(1) {
        assert!(column.is_null(1), "{:?}", column.data_type());
    }
}

#[test]
fn values_that_do_not_fit_a_given_type_are_refused_not_rounded() {
    let files = Files::new();
    for (given, value) in [
        ("i8", "128"),
        ("u8", "-1"),
        ("u64", "18446744073709551616"),
        ("i64", "1.5"),
        ("decimal(4,2)", "100.00"),
        ("decimal(4,2)", "1.005"),
        ("date", "2018-02-30"),
        ("date", "2018-02-01 10:00"),
        ("time(s)", "10:11:12.5"),
        ("timestamp(s)", "2018-01-01T00:00:00.5Z"),
        ("bool", "yes"),
        ("binary", "0f0"),
        ("f64", "1.5x"),
        ("f32", ""),
    ] {
        let path = files.add("a.csv", format!("ts_ms,v\n1514764802610,{value}\n"));
        let options = ReadOptions {
            types: vec![("v".into(), given.parse().unwrap())],
            ..milliseconds()
        };
        if value.is_empty() {
            assert_eq!(texts(&read(&[path], &options).unwrap().1, "v"), ["-"]);
            continue;
        }
        let found = error(path, &options);
        assert_eq!(
            (found.line, found.column.as_deref()),
            (Some(2), Some("v")),
            "{given} {value}: {found}"
        );
        assert_eq!(found.value.as_deref(), Some(value));
    }
}

#[test]
fn broken_lines_are_refused_with_their_line() {
    let files = Files::new();
    for (line, reason) in [
        ("1514764802611", "the line has 1 fields, not 2"),
        ("1514764802611,a,b", "the line has 3 fields, not 2"),
        ("1514764802611,\"a", "a quote is not closed"),
        ("1514764802611,\"a\"b", "text follows a closing quote"),
        ("1514764802611,a\0b", "NUL"),
        ("1514764802611,\"a\0b\"", "NUL"),
        (",a", "the time is missing"),
    ] {
        let path = files.add("a.csv", format!("ts_ms,sym\n1514764802610,a\n{line}\n"));
        let found = error(path, &milliseconds());
        assert_eq!(found.line, Some(3), "{line:?}: {found}");
        assert!(found.to_string().contains(reason), "{line:?}: {found}");
    }
    let mut text = b"ts_ms,sym\n1514764802610,a\n1514764802611,".to_vec();
    text.extend_from_slice(&[0xFF, 0xFE, b'\n']);
    let found = error(files.add("latin.csv", text), &milliseconds());
    assert!(
        found.line == Some(3) && found.to_string().contains("not UTF-8"),
        "{found}"
    );
}

#[test]
fn an_impossible_header_is_refused() {
    let files = Files::new();
    for (header, reason) in [
        ("ts_ms,a,a", "occurs twice"),
        ("ts_ms,,a", "column number 2 has no name"),
        (
            &format!("ts_ms,{},a", "x".repeat(65_536)),
            "the name is 65536 bytes long",
        ),
        ("ts_ms,\"a", "a quote is not closed"),
    ] {
        let found = error(
            files.add("a.csv", format!("{header}\n1514764802610,1,2\n")),
            &milliseconds(),
        );
        assert!(found.to_string().contains(reason), "{found}");
        assert!(
            found.to_string().len() < 1_000,
            "an error is never as long as its value"
        );
    }
}

#[test]
fn files_without_rows_are_refused_unless_another_has_some() {
    let files = Files::new();
    assert!(
        error(files.add("empty.csv", ""), &milliseconds())
            .to_string()
            .contains("the file is empty")
    );
    assert!(
        error(files.add("blank.csv", "\n\n"), &milliseconds())
            .to_string()
            .contains("no header")
    );
    let header = files.add("header.csv", "ts_ms,sym\n");
    assert!(error(&header, &milliseconds()).to_string().contains("no rows"));
    let full = files.add("full.csv", "ts_ms,sym\n1514764802610,a\n");
    assert_eq!(rows(&read(&[header, full], &milliseconds()).unwrap().1), 1);
    assert!(error(files.path("missing.csv"), &milliseconds()).kind == ErrorKind::NotFound);
    assert!(
        error(files.path(""), &milliseconds())
            .to_string()
            .contains("is a directory")
    );
}

#[test]
fn a_cut_compressed_file_is_an_error_and_never_fewer_rows() {
    let files = Files::new();
    let mut text = String::from("ts_ms,sym\n");
    (0..20_000)
        .for_each(|i| text.push_str(&format!("{},s{}\n", 1_514_764_802_610i64 + i, i * 7_919 % 1_000)));
    let options = ReadOptions {
        sample_rows: 10,
        ..milliseconds()
    };
    for (name, packed) in [
        ("a.csv.gz", gzip(text.as_bytes())),
        ("a.csv.zst", zstd(text.as_bytes())),
    ] {
        for cut in [packed.len() - 1, packed.len() - 5, packed.len() / 2] {
            let found = error(files.add(name, &packed[..cut]), &options);
            assert!(found.to_string().contains("cut off"), "{name} {cut}: {found}");
        }
    }
    let found = error(files.add("not.csv.gz", "ts_ms\n1\n"), &options);
    assert!(found.to_string().contains("not gzip"), "{found}");
}

#[test]
fn a_record_without_end_is_refused_before_it_fills_the_memory() {
    let files = Files::new();
    let mut text = b"ts_ms,sym\n1514764802610,\"".to_vec();
    text.resize(64 << 20, b'x');
    let path = files.add("a.csv.zst", zstd(&text));
    assert!(
        std::fs::metadata(&path).unwrap().len() < 100_000,
        "a small file that expands a lot"
    );
    let found = error(
        path,
        &ReadOptions {
            sample_rows: 1,
            ..milliseconds()
        },
    );
    assert!(found.to_string().contains("longer than 16 MiB"), "{found}");
}

#[test]
fn wrong_extensions_are_seen_in_the_first_bytes() {
    let files = Files::new();
    for (name, content, reason) in [
        ("a.csv", &b"PAR1xxxxxxxx"[..], "is a Parquet file"),
        ("a.csv", b"ARROW1\0\0", "is an Arrow file"),
        ("a.parquet", b"ts,b\n1,2\n", "not a Parquet file"),
        ("a.csv", b"\xFF\xFEt\0s\0", "UTF-16"),
        ("a.unknown", b"ts,b\n1,2\n", "does not tell the format"),
        ("a.parquet.gz", &gzip(b"PAR1"), "decompress it first"),
    ] {
        let found = error(files.add(name, content), &milliseconds());
        assert!(found.to_string().contains(reason), "{name}: {found}");
    }
    let path = files.add("b.unknown", "ts_ms\n1514764802610\n");
    let options = ReadOptions {
        format: Some(FileFormat::Csv),
        ..milliseconds()
    };
    assert_eq!(rows(&read(&[path], &options).unwrap().1), 1);
}

#[test]
fn batches_are_cut_at_the_asked_size_across_files_and_blocks() {
    let files = Files::new();
    let mut text = String::from("ts_ms,n,pad\n");
    (0..30_000).for_each(|i| {
        text.push_str(&format!(
            "{},{i},\"{}\"\n",
            1_514_764_802_610i64 + i,
            "x\n".repeat(i as usize % 60)
        ))
    });
    let path = files.add("a.csv", &text);
    let options = ReadOptions {
        batch_rows: 1_000,
        ..milliseconds()
    };
    let (_, batches) = read(&[&path, &path], &options).unwrap();
    assert_eq!((batches.len(), rows(&batches)), (60, 60_000));
    let numbers = texts(&batches, "n");
    assert!(
        numbers
            .iter()
            .enumerate()
            .all(|(row, n)| n == &(row % 30_000).to_string())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The `csv` crate is the twin: what it writes, in any quoting, is read back as it reads it.
    #[test]
    fn what_the_csv_crate_writes_is_read_as_it_reads_it(
        fields in proptest::collection::vec("[a-c\",;\n\r é]{0,6}", 1..40),
        always in any::<bool>(),
        crlf in any::<bool>(),
    ) {
        let mut writer = csv::WriterBuilder::new()
            .quote_style(if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary })
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .from_writer(Vec::new());
        writer.write_record(["ts_ms", "v"]).unwrap();
        for (row, field) in fields.iter().enumerate() {
            writer.write_record([(1_514_764_802_610 + row).to_string().as_str(), field]).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let files = Files::new();
        let options = ReadOptions { types: vec![("v".into(), "utf8".parse().unwrap())], null_values: vec![], ..utc() };
        let (_, batches) = read(&[files.add("a.csv", &text)], &options).unwrap();
        prop_assert_eq!(texts(&batches, "v"), fields);
    }
}

#[test]
fn a_file_without_a_header_is_refused_and_does_not_lose_its_first_row() {
    let files = Files::new();
    for (text, cell) in [
        (
            "2024-01-01T00:00:00Z,A,1\n2024-01-01T00:00:01Z,A,2\n",
            "2024-01-01T00:00:00Z",
        ),
        ("\"2024-01-01 00:00:00\",A\n", "2024-01-01 00:00:00"),
        ("1514764802610,A,-1.5\n1514764802611,A,2.5\n", "-1.5"),
    ] {
        let path = files.add("a.csv", text);
        let error = error(&path, &utc());
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert_eq!(error.line, Some(1));
        assert_eq!(error.value.as_deref(), Some(cell));
        let said = error.to_string();
        assert!(
            said.contains("a.csv:1:") && said.contains("--no-header --columns a,b,c"),
            "{said}"
        );
    }
    let path = files.add("b.csv", "ts_ms,2024,2024-01-01,p.5\n1514764802610,1,2,3\n");
    let (plan, batches) = read(&[path], &milliseconds()).unwrap();
    assert_eq!((plan.schema.fields().len(), rows(&batches)), (4, 1));
}
