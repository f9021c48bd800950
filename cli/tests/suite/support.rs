//! A directory with the command run in it.

#[cfg(feature = "sql")]
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Two series, three days (two hours of the last one), a null and an empty text.
pub(crate) const TRADES: &str = "\
ts,sym,price,size,note
2026-11-18T14:30:00Z,AAPL,101.5,100,first
2026-11-20T13:00:00.000000001Z,MSFT,402.25,7,
2026-11-19T09:00:00Z,AAPL,,50,\"\"
2026-11-18T14:30:00Z,MSFT,400.0,5,\"a,b\"
2026-11-20T14:59:59.5Z,AAPL,103.0,10,last
";

/// A temporary directory in which commands run.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A place whose `db` holds the table `trade` with [`TRADES`].
    pub(crate) fn with_trades() -> Self {
        let place = Self::new();
        place.file("trades.csv", TRADES);
        place.ok("import db trade trades.csv --series sym");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// What is in the directory.
    #[cfg(feature = "sql")]
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gapless"));
        command
            .current_dir(self.directory.path())
            .args(words)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a command line of words without spaces.
    pub(crate) fn run(&self, line: &str) -> Said {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// What a command says that reads a text from standard input.
    #[cfg(feature = "sql")]
    pub(crate) fn output_of(&self, words: &[&str], text: &[u8]) -> Output {
        let mut command = self.command(words);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who ends at an error does not read on.
        let _ = child.stdin.take().unwrap().write_all(text);
        child.wait_with_output().unwrap()
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> Said {
        let output = self.output(words);
        Said {
            code: output.status.code().expect("no signal ended it"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command that must succeed without a word on standard error.
    pub(crate) fn ok(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{line}\n{}", said.out);
        said.out
    }

    /// Runs a command with `--json` that must succeed, and parses its document.
    pub(crate) fn json(&self, line: &str) -> Value {
        let text = self.ok(&format!("{line} --json"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}\n{text}"))
    }

    /// Runs a command that must fail with an exit code.
    pub(crate) fn fails(&self, code: i32, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, code, "{line}\n{}\n{}", said.out, said.err);
        assert!(said.err.starts_with("error: "), "{line}\n{}", said.err);
        said.err
    }

    /// Rows of a table as `info` counts them.
    pub(crate) fn rows(&self, database: &str, table: &str) -> u64 {
        let info = self.json(&format!("info {database}"));
        let tables = info["tables"].as_array().unwrap();
        let found = tables.iter().find(|line| line["table"] == table);
        found.unwrap_or_else(|| panic!("no table {table} in {info}"))["rows"]
            .as_u64()
            .unwrap()
    }
}

/// A file of the repository's fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/nycflights13")
        .join(name)
}
