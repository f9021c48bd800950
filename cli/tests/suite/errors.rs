//! Exit codes, and where errors are said.

use serde_json::Value;

use crate::support::Place;

const READERS: [&str; 7] = [
    "info X",
    "ls X",
    "schema X t",
    "head X t",
    "tail X t",
    "symbols X",
    "export X t --to out",
];

#[test]
fn a_missing_directory_and_one_that_is_no_database_are_misuse_and_stay_as_they_are() {
    let place = Place::new();
    std::fs::create_dir(place.path("other")).unwrap();
    place.file("other/file.txt", "mine");
    for verb in READERS {
        place.fails(2, &verb.replace('X', "missing"));
        let error = place.fails(2, &verb.replace('X', "other"));
        assert!(error.contains("not a gapless database"), "{verb}: {error}");
    }
    assert!(!place.has("missing") && !place.has("out"));
    let names: Vec<_> = std::fs::read_dir(place.path("other")).unwrap().collect();
    assert_eq!(names.len(), 1);
}

#[test]
fn a_missing_table_is_misuse_and_the_tables_there_are_listed() {
    let place = Place::with_trades();
    for verb in [
        "schema db nope",
        "head db nope",
        "tail db nope",
        "ls db nope",
        "export db nope --to out",
    ] {
        let error = place.fails(2, verb);
        assert!(
            error.contains("nope") && error.contains("trade"),
            "{verb}: {error}"
        );
    }
    assert!(!place.has("out"));
}

#[test]
fn with_json_an_error_is_a_document_with_its_kind() {
    let place = Place::with_trades();
    for (line, kind, code) in [
        ("head db nope --json", "not_found", 2),
        ("head . nope --json", "invalid", 2),
        ("head db trade --no-such-option --json", "invalid", 2),
        ("snapshot db --json", "invalid", 2),
    ] {
        let said = place.run(line);
        assert_eq!(said.code, code, "{line}");
        let document: Value =
            serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{line}: {error}\n{}", said.out));
        assert_eq!(document["error"]["kind"], kind, "{line}");
        assert!(
            document["error"]["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
    }
}

#[test]
fn corrupt_bytes_and_a_newer_format_are_exit_code_3() {
    let place = Place::with_trades();
    let identity = std::fs::read(place.path("db/GAPLESS")).unwrap();
    let mut flipped = identity.clone();
    *flipped.last_mut().unwrap() ^= 1;
    place.file("db/GAPLESS", flipped);
    assert!(place.fails(3, "info db").contains("GAPLESS"));
    place.file("db/GAPLESS", identity);
    place.ok("info db");
    let prices: Vec<_> = walk(&place.path("db"))
        .into_iter()
        .filter(|path| path.ends_with("price.col"))
        .collect();
    assert_eq!(prices.len(), 3);
    for path in &prices {
        let mut bytes = std::fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    let error = place.fails(3, "head db trade");
    assert!(error.contains("price.col"), "{error}");
    let said = place.run("head db trade --json");
    let document: Value = serde_json::from_str(&said.out).expect("one document, even after rows were read");
    assert_eq!(document["error"]["kind"], "corrupt");
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_verb_has_help_with_examples() {
    let place = Place::new();
    let help = place.ok("--help");
    assert!(help.contains("Exit codes"), "{help}");
    for verb in [
        "demo", "import", "export", "info", "ls", "schema", "head", "tail", "symbols", "snapshot", "query",
        "sql",
    ] {
        assert!(help.contains(&format!("  {verb} ")), "{verb}");
        let help = place.ok(&format!("{verb} --help"));
        assert!(
            help.contains("Examples:") && help.contains(&format!("gapless {verb}")),
            "{verb}: {help}"
        );
    }
    assert!(place.ok("--version").starts_with("gapless "));
    assert_eq!(place.run("").code, 2);
    assert_eq!(place.run("frobnicate").code, 2);
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_and_no_silent_end() {
    let place = Place::new();
    let mut rows = String::from("ts,v\n");
    (0..40_000).for_each(|row| {
        rows.push_str(&format!(
            "{},{}\n",
            1_700_000_000_000_000_000_u64 + row,
            row * 7919 % 10_007
        ))
    });
    place.file("rows.csv", rows);
    let line = format!(
        "ulimit -f 64; exec '{}' import db t rows.csv --time-unit ns",
        env!("CARGO_BIN_EXE_gapless")
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &line])
        .current_dir(place.path("."))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(said.starts_with("error: "), "{said}");
}
