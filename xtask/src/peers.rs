//! The data and the reference answers of the comparison in `benches/compare`, made by its own programs in `target/peers`.
//!
//! Nothing here fails a chore: without a Python or the network there is a line that says so, and the test that needs the data says that
//! it was skipped.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What its programs import.
const PACKAGES: [&str; 3] = ["numpy", "polars", "pyarrow"];

/// Where the data of all scales lies, a folder each.
pub fn data(root: &Path) -> PathBuf {
    root.join("target/peers")
}

/// Makes the data at scale S, unless it is there.
pub fn prepare(root: &Path) {
    let data = data(root);
    if data.join("S/ref/Q16.parquet").is_file() {
        return;
    }
    println!("--- data of the comparison");
    if let Err(missing) = make(&root.join("benches/compare"), &data) {
        println!("skipped: {missing}");
    }
}

fn make(folder: &Path, data: &Path) -> Result<(), String> {
    let venv = data.join("venv");
    let python = venv.join("bin/python");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet"])
        .args(versions(folder)))?;
    run(Command::new(&python)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(folder.join("gen.py"))
        .args(["--scale", "S", "--out"])
        .arg(data))?;
    let reference =
        "import sys, queries, reference; reference.build(sys.argv[1], queries.QUERIES, sys.argv[1] + '/ref')";
    run(Command::new(&python)
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-c", reference])
        .arg(data.join("S")))
}

/// The packages in the versions that the comparison names.
fn versions(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("requirements.txt")).unwrap_or_default();
    let named = |package: &str| {
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| line.split("==").next() == Some(package));
        line.unwrap_or(package).to_string()
    };
    PACKAGES.map(named).to_vec()
}

/// Runs a program to its end; an error says which one failed.
pub fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} ended with {status}")),
        Err(error) => Err(format!("{program} could not be started: {error}")),
    }
}
