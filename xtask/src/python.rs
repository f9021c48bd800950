//! The Python package, built and tested: the extension module of the dev profile, in a virtual environment in `target/`.
//!
//! - The module is built with the same features as `cargo test --workspace --all-features` builds its dependencies, so that nothing
//!   is compiled twice: DataFusion takes minutes. A wheel is made by maturin, in release.
//! - The environment is made once, and again when `requirements-test.txt` changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::machine;

/// Says which Python it is, and fails where it is too old or cannot make environments.
const PROBE: &str =
    "import sys, venv, ensurepip; assert sys.version_info >= (3, 10); print(sys.version_info[1])";

/// The libraries of all crates. A test beside them makes cargo unify features as for tests, those of dev-dependencies included;
/// that one is small, and built by then.
const MODULE: &str = "build --workspace --all-features --lib --test corruption";

/// Whether there is a Python that the tests can run with; what to install, where there is none.
pub fn missing() -> Option<String> {
    interpreter().is_none().then(|| {
        "Python 3.10 or newer with its venv module, for the tests of the Python package: install python3 and python3-venv, or name \
         one in PYTHON"
            .to_owned()
    })
}

fn interpreter() -> Option<PathBuf> {
    let named = std::env::var_os("PYTHON").map(PathBuf::from);
    let usual = ["python3", "python3.13", "python3.12", "python3.11", "python3.10"].map(PathBuf::from);
    let candidates = named.map_or_else(|| usual.to_vec(), |named| vec![named]);
    candidates.into_iter().find(|python| {
        let status = Command::new(python)
            .args(["-c", PROBE])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    })
}

/// Builds the module, puts the package into the environment, and gives the command that tests it.
///
/// # Errors
/// What went wrong, as text.
pub fn tests(root: &Path) -> Result<Command, String> {
    let target = target(root);
    let python = environment(root, &target)?;
    succeed(machine::cargo().args(MODULE.split_whitespace()).current_dir(root))?;
    install(root, &target, &python)
        .map_err(|error| format!("the package could not be put into the environment: {error}"))?;
    // Not `python -m pytest`, which would import the package of the sources, where there is no module.
    let mut pytest = Command::new(python.with_file_name("pytest"));
    pytest
        .args(["tests", "../benches/compare/tests"])
        .current_dir(root.join("python"));
    Ok(pytest)
}

/// Where cargo builds to.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// The interpreter of an environment that has what the tests need.
fn environment(root: &Path, target: &Path) -> Result<PathBuf, String> {
    let directory = target.join("python-venv");
    let python = directory.join("bin/python");
    let requirements = root.join("python/requirements-test.txt");
    let wanted =
        fs::read_to_string(&requirements).map_err(|error| format!("{}: {error}", requirements.display()))?;
    let stamp = directory.join("requirements-test.txt");
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let base = interpreter().ok_or("there is no Python")?;
    succeed(Command::new(base).args(["-m", "venv", "--clear"]).arg(&directory))?;
    succeed(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&requirements),
    )?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

/// Puts the package where the environment imports it from, as a wheel would.
fn install(root: &Path, target: &Path, python: &Path) -> io::Result<()> {
    let minor = minor_version(python).map_err(io::Error::other)?;
    let package = target.join(format!("python-venv/lib/python3.{minor}/site-packages/gapless"));
    if package.exists() {
        fs::remove_dir_all(&package)?;
    }
    copy_sources(&root.join("python/gapless"), &package)?;
    // A new file: one that is mapped by a process must not change under it.
    fs::copy(
        target.join("debug").join(library()),
        package.join("_gapless.abi3.so"),
    )
    .map(|_| ())
}

/// Everything but compiled modules and what Python leaves behind.
fn copy_sources(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type()?.is_dir() {
            if name != "__pycache__" {
                copy_sources(&path, &to.join(name))?;
            }
        } else if path.extension().is_none_or(|extension| extension != "so") {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn library() -> &'static str {
    if cfg!(target_os = "macos") {
        "lib_gapless.dylib"
    } else {
        "lib_gapless.so"
    }
}

/// 11 of Python 3.11.
fn minor_version(python: &Path) -> Result<u32, String> {
    let output = Command::new(python)
        .args(["-c", PROBE])
        .output()
        .map_err(|error| format!("{}: {error}", python.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .map_err(|_| format!("{} is no Python 3.10 or newer", python.display()))
}

fn succeed(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} failed: {status}", command.get_program().display())),
        Err(error) => Err(format!("{}: {error}", command.get_program().display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_copied_without_compiled_modules() {
        let scratch = std::env::temp_dir().join(format!("gapless-xtask-{}", std::process::id()));
        let (from, to) = (scratch.join("from"), scratch.join("to"));
        for file in ["a.py", "_gapless.abi3.so", "sub/b.pyi", "__pycache__/a.pyc"] {
            let path = from.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, file).expect("written");
        }
        copy_sources(&from, &to).expect("copied");
        assert_eq!(
            fs::read_to_string(to.join("sub/b.pyi")).expect("there"),
            "sub/b.pyi"
        );
        assert!(to.join("a.py").exists());
        assert!(!to.join("_gapless.abi3.so").exists() && !to.join("__pycache__").exists());
        fs::remove_dir_all(scratch).expect("removed");
    }

    #[test]
    fn a_command_that_fails_is_an_error_that_names_it() {
        let failed = succeed(Command::new("sh").args(["-c", "exit 3"])).expect_err("it failed");
        assert!(failed.contains("sh failed") && failed.contains('3'), "{failed}");
        assert!(succeed(&mut Command::new("gapless-no-such-tool")).is_err());
        assert!(minor_version(Path::new("gapless-no-such-tool")).is_err());
    }
}
