//! Bad input: the place and the reason are said, and nothing of it is committed.

use crate::support::{Place, TRADES};

fn long_file(bad: &str) -> String {
    let mut text = String::from("ts,price\n");
    for row in 0..20_000 {
        text.push_str(&format!(
            "2026-01-01T{:02}:{:02}:{:02}Z,{}.5\n",
            row / 3600,
            row / 60 % 60,
            row % 60,
            row
        ));
    }
    text.push_str(bad);
    text
}

#[test]
fn file_line_column_value_and_reason_are_said_and_a_new_database_goes_again() {
    let place = Place::new();
    place.file("bad.csv", long_file("2026-01-02T00:00:00Z,\"12,5\"\n"));
    let error = place.fails(2, "import db trade bad.csv");
    for part in [
        "bad.csv:20002:",
        "column price",
        "\"12,5\"",
        "is not a number",
        "nothing was committed",
        "removed again",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!place.has("db"));
    let left: Vec<_> = std::fs::read_dir(place.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["bad.csv"]);
}

#[test]
fn an_empty_directory_of_the_user_is_not_removed() {
    let place = Place::new();
    std::fs::create_dir(place.path("db")).unwrap();
    place.file("bad.csv", long_file("2026-01-02T00:00:00Z,x\n"));
    let error = place.fails(2, "import db trade bad.csv");
    assert!(error.contains("stays"), "{error}");
    assert_eq!(place.json("ls db")["tables"].as_array().unwrap().len(), 0);
}

#[test]
fn a_table_that_exists_keeps_its_rows_and_gets_none() {
    let place = Place::with_trades();
    place.file("bad.csv", format!("{TRADES}2026-11-20T13:00:00Z,AAPL,cheap,1,\n"));
    let error = place.fails(2, "import db trade trades.csv bad.csv");
    assert!(error.contains("bad.csv:7: column price: \"cheap\""), "{error}");
    assert!(!error.contains("removed"), "{error}");
    assert_eq!(place.rows("db", "trade"), 5);
    assert_eq!(place.json("info db")["version"], 1);
    let document = place.run("import db trade bad.csv --json");
    let document: serde_json::Value = serde_json::from_str(&document.out).unwrap();
    assert_eq!(document["error"]["kind"], "invalid");
}

#[test]
fn skipped_lines_are_counted_and_put_aside_with_their_reasons() {
    let place = Place::new();
    let bad = "2026-01-02T00:00:00Z,x\nyesterday,1\n2026-01-02T00:00:01Z,1,2,3\n2026-01-03T00:00:00Z,7\n";
    place.file("bad.csv", long_file(bad));
    let report = place.json("import db trade bad.csv --on-error skip --rejects rejected.csv");
    assert_eq!(
        (report["rows"].as_u64(), report["rejected_rows"].as_u64()),
        (Some(20_001), Some(3))
    );
    assert_eq!(report["rejects_file"], "rejected.csv");
    let lines = std::fs::read_to_string(place.path("rejected.csv")).unwrap();
    assert_eq!(
        lines,
        "2026-01-02T00:00:00Z,x\nyesterday,1\n2026-01-02T00:00:01Z,1,2,3\n"
    );
    let reasons = std::fs::read_to_string(place.path("rejected.csv.reasons.csv")).unwrap();
    assert!(
        reasons.contains("20002") && reasons.contains("price"),
        "{reasons}"
    );
    // What was put aside once is not written over.
    let error = place.fails(
        2,
        "import db trade bad.csv --on-error skip --rejects rejected.csv",
    );
    assert!(error.contains("rejected.csv"), "{error}");
    assert_eq!(place.rows("db", "trade"), 20_001);
    let text = place.ok("import db trade bad.csv --on-error skip");
    assert!(
        text.contains("3 lines rejected: they are in trade.rejects"),
        "{text}"
    );
    assert!(place.has("trade.rejects") && place.has("trade.rejects.reasons.csv"));
}

#[test]
fn misuse_is_refused_before_anything_is_made() {
    let place = Place::new();
    place.file("t.csv", TRADES);
    for line in [
        "import db t",
        "import db t nosuch.csv",
        "import db t t.csv --time nope",
        "import db t t.csv --series nope",
        "import db t t.csv --type price=float",
        "import db t t.csv --type nope=f64",
        "import db t t.csv --attribute price=hashed",
        "import db t t.csv --attribute nope=grouped",
        "import db t t.csv --partition week",
        "import db t t.csv --memory none",
        "import db t t.csv --delimiter ;;",
        "import db t t.csv --no-header",
        "import db t t.csv --rejects file",
        "import db t t.csv --zone Mars/Olympus",
        "import db t t.csv --symbol price --type price=f64",
        "import db t t.csv --series sym --time sym",
    ] {
        place.fails(2, line);
        assert!(!place.has("db"), "{line}");
    }
    std::fs::create_dir(place.path("other")).unwrap();
    place.file("other/file.txt", "mine");
    assert!(
        place
            .fails(2, "import other t t.csv")
            .contains("not a gapless database")
    );
    assert!(!place.has("other/manifest"));
}

#[test]
fn times_that_can_mean_several_things_are_refused_with_what_to_pass() {
    let place = Place::new();
    place.file("t.csv", "ts,v\n1514764802610,1\n");
    let error = place.fails(2, "import db t t.csv");
    assert!(error.contains("--time-unit ms"), "{error}");
    place.ok("import db t t.csv --time-unit ms");
    assert!(place.ok("head db t").contains("2018-01-01T00:00:02.610Z"));
}

#[test]
fn names_with_slashes_and_dots_stay_inside_the_database() {
    let place = Place::new();
    place.file("t.csv", "ts,../v,sym\n2026-01-01T00:00:00Z,1,../../x\n");
    place.ok("import db ../t t.csv --series sym");
    assert_eq!(place.rows("db", "../t"), 1);
    assert_eq!(place.json("head db ../t")["rows"][0]["sym"], "../../x");
    assert!(!place.has("t") && !place.has("x"));
    place.fails(2, &format!("import db {} t.csv --series sym", "n".repeat(300)));
}

#[test]
fn a_cut_gzip_file_is_an_error_and_not_a_short_table() {
    use std::io::Write;
    let place = Place::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(long_file("").as_bytes()).unwrap();
    let bytes = gzip.finish().unwrap();
    place.file("cut.csv.gz", &bytes[..bytes.len() - 20]);
    let said = place.run("import db t cut.csv.gz --on-error skip");
    assert!(said.code != 0 && said.err.contains("cut.csv.gz"), "{said:?}");
    assert!(!place.has("db"));
}
