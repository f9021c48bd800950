//! The Python package, built and tested: the extension module of the dev profile, in virtual environments in `target/`.
//!
//! - The module is built with the same features as `cargo test --workspace --all-features` builds its dependencies, so that nothing
//!   is compiled twice: DataFusion takes minutes. A wheel is made by maturin, in release.
//! - An environment is made once, and again when its requirements change.
//! - The pages for Python have an environment of their own: they use ArcticDB, which cannot stand beside pandas 3.

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

/// What the tests of the package run in.
const TESTS: Environment = Environment {
    name: "python-venv",
    requirements: "requirements-test.txt",
};

/// What the code of the pages runs in, which has pandas 2.
const DOCS: Environment = Environment {
    name: "python-docs-venv",
    requirements: "requirements-docs.txt",
};

/// The tests of the pages, and those that another pandas could fail.
const DOCS_TESTS: [&str; 6] = [
    PAGES,
    "tests/test_coverage.py",
    "tests/test_fill.py",
    "tests/test_round_trips.py",
    "tests/test_times.py",
    "tests/qmtl/test_pandas.py",
];
const PAGES: &str = "tests/test_docs.py";

/// Builds the package, and gives the command that tests it.
///
/// # Errors
/// What went wrong, as text.
pub fn tests(root: &Path) -> Result<Command, String> {
    let mut pytest = TESTS.pytest(root)?;
    pytest.args(["tests", "--ignore", PAGES, "../benches/compare/tests"]);
    Ok(pytest)
}

/// Builds the package, and gives the command that runs the code of the pages.
///
/// # Errors
/// What went wrong, as text.
pub fn docs(root: &Path) -> Result<Command, String> {
    let mut pytest = DOCS.pytest(root)?;
    pytest.args(DOCS_TESTS);
    Ok(pytest)
}

/// Where cargo builds to.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// A virtual environment: a directory in the target directory, and the file in `python/` that says what is installed there.
struct Environment {
    name: &'static str,
    requirements: &'static str,
}

impl Environment {
    /// Its pytest, to be run in `python/`, with the package as it is now.
    fn pytest(&self, root: &Path) -> Result<Command, String> {
        let target = target(root);
        let python = self.interpreter(root, &target)?;
        succeed(machine::cargo().args(MODULE.split_whitespace()).current_dir(root))?;
        let site = self.site_packages(&target, minor_version(&python)?);
        install(root, &target, &site)
            .map_err(|error| format!("the package could not be put into {}: {error}", self.name))?;
        // Not `python -m pytest`, which would import the package of the sources, where there is no module.
        let mut pytest = Command::new(python.with_file_name("pytest"));
        pytest.current_dir(root.join("python"));
        Ok(pytest)
    }

    /// Its interpreter, with everything that is required.
    fn interpreter(&self, root: &Path, target: &Path) -> Result<PathBuf, String> {
        let directory = target.join(self.name);
        let python = directory.join("bin/python");
        let requirements = root.join("python").join(self.requirements);
        let wanted = fs::read_to_string(&requirements)
            .map_err(|error| format!("{}: {error}", requirements.display()))?;
        let stamp = directory.join(self.requirements);
        if python.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(python);
        }
        let base = interpreter().ok_or("there is no Python")?;
        succeed(Command::new(base).args(["-m", "venv", "--clear"]).arg(&directory))?;
        succeed(Command::new(&python).args(PIP_INSTALL).arg(&requirements))
            .map_err(|error| self.not_installed(&error, minor_version(&python)))?;
        fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
        Ok(python)
    }

    /// What to do where something of it cannot be had: most often there is no wheel of it for this Python.
    fn not_installed(&self, error: &str, minor: Result<u32, String>) -> String {
        let version = minor.map_or_else(|_| "this Python".to_owned(), |minor| format!("Python 3.{minor}"));
        format!(
            "{error}: what python/{} names could not be installed for {version}, pip says why above. Where it has no wheel for \
             {version}, name another Python in PYTHON: 3.10 to 3.13 have all of them on Linux",
            self.requirements
        )
    }

    fn site_packages(&self, target: &Path, minor: u32) -> PathBuf {
        target.join(format!("{}/lib/python3.{minor}/site-packages", self.name))
    }
}

const PIP_INSTALL: [&str; 6] = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--requirement",
];

/// Puts the package where an environment imports it from, as a wheel would.
fn install(root: &Path, target: &Path, site: &Path) -> io::Result<()> {
    let package = site.join("gapless");
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
    fn what_cannot_be_installed_names_its_file_and_the_python() {
        let text = DOCS.not_installed("python failed", Ok(14));
        assert!(
            text.contains("python failed") && text.contains("requirements-docs.txt") && text.contains("3.14"),
            "{text}"
        );
        assert!(
            TESTS
                .not_installed("", Err(String::new()))
                .contains("for this Python")
        );
    }

    #[test]
    fn the_tests_of_the_pages_are_there() {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("python");
        assert!(
            DOCS_TESTS.iter().all(|test| python.join(test).exists()),
            "{DOCS_TESTS:?}"
        );
    }

    #[test]
    fn a_command_that_fails_is_an_error_that_names_it() {
        let failed = succeed(Command::new("sh").args(["-c", "exit 3"])).expect_err("it failed");
        assert!(failed.contains("sh failed") && failed.contains('3'), "{failed}");
        assert!(succeed(&mut Command::new("gapless-no-such-tool")).is_err());
        assert!(minor_version(Path::new("gapless-no-such-tool")).is_err());
    }
}
