//! Every shell block of the documents runs as it stands, in an empty directory, with the built command on the path.
//!
//! `cargo run --release --` stands for the built command. Other cargo commands are only checked to exist.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_path_buf()
}

/// The shell blocks of a document, each with its first line's number.
fn shell_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (&mut open, line) {
            (None, "```sh") => open = Some((number + 1, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, block)), line) => {
                block.push_str(&runnable(line));
                block.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

fn runnable(line: &str) -> String {
    if let Some(rest) = line.strip_prefix("cargo run --release -- ") {
        return format!("gapless {rest}");
    }
    if let Some(chore) = line.strip_prefix("cargo xtask ") {
        let chore = chore.split_whitespace().next().unwrap_or_default();
        let known = ["test", "bench", "real-data", "help"];
        assert!(known.contains(&chore), "there is no chore {chore:?}");
        return String::new();
    }
    assert!(
        !line.starts_with("cargo ") || line.starts_with("cargo install"),
        "nothing runs {line:?}"
    );
    if line.starts_with("cargo install") {
        String::new()
    } else {
        line.to_owned()
    }
}

fn run(document: &Path) -> usize {
    let text = std::fs::read_to_string(document).expect("a document");
    let blocks = shell_blocks(&text);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let command = Path::new(env!("CARGO_BIN_EXE_gapless"))
        .parent()
        .expect("the build directory");
    let path = format!(
        "{}:{}",
        command.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    for (line, block) in &blocks {
        let output = Command::new("sh")
            .args(["-e", "-c", block])
            .current_dir(directory.path())
            .env("PATH", &path)
            .output()
            .expect("a shell");
        assert!(
            output.status.success(),
            "{}:{line}: {}\n{}{}",
            document.display(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    blocks.len()
}

#[test]
fn the_commands_of_the_readme_run_as_they_stand() {
    assert_eq!(run(&root().join("README.md")), 2);
}

#[test]
fn the_commands_of_every_other_document_run_as_they_stand() {
    for entry in std::fs::read_dir(root().join("docs")).expect("docs") {
        let path = entry.expect("an entry").path();
        let needs_sql = path.ends_with("sql.md") && !cfg!(feature = "sql");
        if path.extension().is_some_and(|extension| extension == "md") && !needs_sql {
            run(&path);
        }
    }
}

/// `[text](target)` of local files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://"))
}

#[test]
fn every_local_link_of_the_documents_leads_to_a_file() {
    let mut documents = vec![
        root().join("README.md"),
        root().join("CHANGELOG.md"),
        root().join("format/FORMAT.md"),
    ];
    documents.push(root().join("fixtures/README.md"));
    let more = std::fs::read_dir(root().join("docs"))
        .expect("docs")
        .map(|entry| entry.expect("an entry").path());
    documents.extend(more);
    for document in documents {
        let text = std::fs::read_to_string(&document).expect("a document");
        for link in links(&text) {
            let file = link.split('#').next().unwrap_or_default();
            let target = document.parent().expect("a folder").join(file);
            assert!(target.exists(), "{}: {link} leads nowhere", document.display());
        }
    }
}
