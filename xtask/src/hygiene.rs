//! What must not get into the repository, whoever is in a hurry.
//!
//! - No file over [`FILE_BYTES_MAX`]: a clone stays small.
//! - No absolute path of somebody's machine in a text file.
//! - No Rust file over [`RUST_LINES_MAX`] lines whose header does not say why (`//! Long because ...`).
//!
//! It looks at what git tracks, staged files included. A log or a scratch file beside them is nobody's business.

use std::path::Path;
use std::process::Command;

const FILE_BYTES_MAX: usize = 5_000_000;
const RUST_LINES_MAX: usize = 700;
const LONG_BECAUSE: &str = "//! Long because";

/// First folders of absolute paths under which people and build machines keep checkouts.
const PERSONAL_FOLDERS: [&str; 6] = ["home", "root", "Users", "work", "workspace", "builds"];

/// Everything that is wrong with the repository at `root`, one line each.
pub fn findings(root: &Path) -> Vec<String> {
    if !root.join(".git").exists() {
        println!("not a git checkout: there is nothing to keep clean");
        return Vec::new();
    }
    match files(root) {
        Ok(files) => files
            .iter()
            .flat_map(|file| findings_of_file(root, file))
            .collect(),
        Err(reason) => vec![format!("git ls-files: {reason}")],
    }
}

fn files(root: &Path) -> Result<Vec<String>, String> {
    let args = ["ls-files", "-z"];
    let output = Command::new("git")
        .args(args)
        .current_dir(root)
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let names = String::from_utf8(output.stdout).map_err(|_| "a file name is not UTF-8".to_owned())?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

fn findings_of_file(root: &Path, file: &str) -> Vec<String> {
    let path = root.join(file);
    // A link says nothing of its own, and a file that was removed but not yet from the index is none.
    if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Vec::new();
    }
    match std::fs::read(&path) {
        Ok(content) => {
            let found = findings_of(file, &content, &root.to_string_lossy());
            found
                .into_iter()
                .map(|finding| format!("{file}{finding}"))
                .collect()
        }
        Err(error) => vec![format!("{file}: {error}")],
    }
}

/// The findings of one file by its content; each continues the file's name.
fn findings_of(file: &str, content: &[u8], checkout: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if content.len() > FILE_BYTES_MAX {
        findings.push(format!(": {} bytes, more than {FILE_BYTES_MAX}", content.len()));
    }
    let Ok(text) = std::str::from_utf8(content) else {
        return findings;
    };
    for (number, line) in text.lines().enumerate() {
        if let Some(path) = personal_path(line, checkout) {
            findings.push(format!(":{}: a path of one machine: {path}", number + 1));
        }
    }
    if file.ends_with(".rs") && is_long_without_reason(text) {
        findings.push(format!(
            ": more than {RUST_LINES_MAX} lines; split it, or say `{LONG_BECAUSE} ...` in its header"
        ));
    }
    findings
}

fn is_long_without_reason(text: &str) -> bool {
    text.lines().count() > RUST_LINES_MAX && !text.lines().any(|line| line.starts_with(LONG_BECAUSE))
}

fn personal_path(line: &str, checkout: &str) -> Option<String> {
    let folders = PERSONAL_FOLDERS.iter().map(|folder| format!("/{folder}/"));
    folders
        .chain([checkout.to_owned()])
        .find(|start| names_absolute(line, start))
}

/// Whether `line` has a path that starts with `start` and goes on, rather than one that has it in its middle.
fn names_absolute(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + start.len()..].chars().next();
        !before.is_some_and(goes_on_in_a_path) && after.is_some_and(|c| c == '/' || goes_on_in_a_path(c))
    })
}

fn goes_on_in_a_path(c: char) -> bool {
    c.is_alphanumeric() || "._-/~$*{}<>".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKOUT: &str = "/data/ann/gapless";

    /// Written so that this file does not hold the paths it forbids.
    fn under(folder: &str, rest: &str) -> String {
        format!("/{folder}/{rest}")
    }

    fn findings_of_line(line: &str) -> Vec<String> {
        findings_of("notes.md", line.as_bytes(), CHECKOUT)
    }

    #[test]
    fn a_path_of_one_machine_is_found_with_its_line() {
        for folder in PERSONAL_FOLDERS {
            let found = findings_of_line(&format!("first\nsee `{}`", under(folder, "ann/db")));
            assert_eq!(found, [format!(":2: a path of one machine: /{folder}/")]);
        }
        assert_eq!(findings_of_line("at /data/ann/gapless/src/lib.rs:3").len(), 1);
    }

    #[test]
    fn a_path_that_only_has_such_a_folder_in_its_middle_is_fine() {
        let relative = ["data", "{dir}", "..", "$HOME", "https://example.org"];
        for before in relative {
            let line = format!("{before}{}", under("work", "x"));
            assert_eq!(findings_of_line(&line), Vec::<String>::new(), "{line}");
        }
        assert_eq!(
            findings_of_line("/tmp/x, /usr/bin/cc and the folder `/root`"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_long_rust_file_needs_a_reason_and_other_files_do_not() {
        let long = "\n".repeat(RUST_LINES_MAX + 1);
        assert_eq!(findings_of("a.rs", long.as_bytes(), CHECKOUT).len(), 1);
        assert_eq!(findings_of("a.md", long.as_bytes(), CHECKOUT).len(), 0);
        let reasoned = format!("//! One noun.\n{LONG_BECAUSE} the table is one match.\n{long}");
        assert_eq!(findings_of("a.rs", reasoned.as_bytes(), CHECKOUT).len(), 0);
    }

    #[test]
    fn a_large_file_is_found_also_when_it_is_not_text() {
        let found = findings_of("a.bin", &vec![0xFF; FILE_BYTES_MAX + 1], CHECKOUT);
        assert_eq!(found, [": 5000001 bytes, more than 5000000"]);
    }

    #[test]
    fn the_files_of_this_repository_are_listed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("xtask lies in the repository");
        if root.join(".git").exists() {
            let files = files(root).expect("git lists the files");
            assert!(files.iter().any(|file| file == "xtask/src/hygiene.rs"));
        }
    }
}
