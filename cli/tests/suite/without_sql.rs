//! The command as it is built by default: without SQL, and without what SQL needs.

use std::process::Command;

/// The names of the crates that the command is built from.
fn crates(features: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "-p",
            "gapless-cli",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--offline",
        ])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    text.lines().map(name).collect()
}

#[test]
fn the_default_build_has_no_datafusion_and_the_one_with_sql_has() {
    let is_heavy = |name: &String| name.starts_with("datafusion") || name == "rustyline" || name == "tokio";
    let found: Vec<String> = crates(&[]).into_iter().filter(is_heavy).collect();
    assert_eq!(found, [""; 0]);
    assert!(
        crates(&["--features", "sql"])
            .iter()
            .any(|name| name == "datafusion")
    );
}

#[cfg(not(feature = "sql"))]
#[test]
fn the_verbs_of_sql_say_how_to_get_them() {
    let place = crate::support::Place::with_trades();
    for line in [
        "query db SELECT",
        "sql db --write",
        "query --format csv -",
        "query",
        "sql",
    ] {
        let error = place.fails(2, line);
        assert!(
            error.contains("cargo install --path cli --features sql"),
            "{error}"
        );
    }
    assert!(place.ok("query --help").contains("--features sql"));
}
