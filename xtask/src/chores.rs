//! The chores: which steps each one has, in which order.
//!
//! All steps run, also after one has failed, so that one run shows everything there is to mend. The exception is a
//! machine that lacks a tool: then nothing runs, because each step would fail for that one reason.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::step::{Outcome, Step, Work};
use crate::tally::Tally;
use crate::{compare, hygiene, machine, peers, python};

/// Set while benches run once as a test: a bench that builds large data builds a little of it instead.
const BENCH_TEST: &str = "GAPLESS_BENCH_TEST";

/// `cargo xtask test`. The cheap steps come first.
pub fn test() -> ExitCode {
    let root = root();
    let mut missing = machine::missing();
    missing.extend(python::missing());
    if !missing.is_empty() {
        return refuse(&missing);
    }
    peers::prepare(&root);
    let mut steps = vec![
        Step::new("format", Work::Command(cargo(&root, FORMAT))),
        Step::new("hygiene", Work::Check(hygiene::findings, root.clone())),
        Step::new("lints", Work::Command(cargo(&root, LINTS))),
        Step::new("no features", Work::Command(cargo(&root, NO_FEATURES))),
        Step::new("default command", Work::Command(cargo(&root, DEFAULT_COMMAND))),
        Step::new("tests", Work::Tests(cargo(&root, TESTS))),
    ];
    if has_benches(&root) {
        let mut benches = cargo(&root, BENCHES_ONCE);
        benches.env(BENCH_TEST, "1");
        steps.push(Step::new("benches", Work::Command(benches)));
    }
    steps.extend(python_steps(&root));
    run(steps)
}

/// The tests of the package, and the code of its pages.
fn python_steps(root: &Path) -> [Step; 2] {
    [
        Step::new("python", Work::Prepared(python::tests, root.to_path_buf())),
        Step::new("python docs", Work::Prepared(python::docs, root.to_path_buf())),
    ]
}

/// `cargo xtask python`: the tests of the Python package alone.
pub fn python() -> ExitCode {
    match python::missing() {
        Some(missing) => refuse(&[missing]),
        None => run(python_steps(&root()).into()),
    }
}

const FORMAT: &str = "fmt --all --check";
const LINTS: &str = "clippy --workspace --all-targets --all-features -- -D warnings";
/// Everything else is built with all features, so what lacks one would not be seen.
const NO_FEATURES: &str = "check -p gapless --no-default-features";
/// The command that most people build: without SQL.
const DEFAULT_COMMAND: &str = "clippy -p gapless-cli --all-targets -- -D warnings";
const TESTS: &str = "test --workspace --all-features --no-fail-fast";

/// Criterion runs every bench once when it is started without `--bench`, which is what `cargo test` does. Not
/// `--benches`: that is every target with `bench = true`, so the unit tests would run a second time. Not `cargo bench`:
/// its profile would compile everything again.
const BENCHES_ONCE: &str = "test --workspace --all-features --no-fail-fast --bench *";

/// `cargo xtask real-data`: imports the real files, compares them with what their README says, and fills their holes.
pub fn real_data() -> ExitCode {
    run(vec![Step::new(
        "real data",
        Work::Tests(cargo(&root(), REAL_DATA)),
    )])
}

const REAL_DATA: &str = "test --release -p gapless --all-features --test suite -- --nocapture --include-ignored real_data real_gaps";

/// `cargo xtask bench [NAME] [ARGS]`: measures in the bench profile.
pub fn bench(rest: &[&str]) -> ExitCode {
    let (name, args) = match rest {
        [name, args @ ..] if !name.starts_with('-') => (*name, args),
        args => ("*", args),
    };
    let mut command = cargo(&root(), "bench --workspace --bench");
    command
        .args([name, "--"])
        .args(args.iter().skip_while(|argument| **argument == "--"));
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo could not be started: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `cargo xtask bench-compare`: other engines beside gapless.
pub fn bench_compare(rest: &[&str]) -> ExitCode {
    compare::bench(&root(), rest)
}

fn run(steps: Vec<Step>) -> ExitCode {
    let outcomes: Vec<Outcome> = steps.into_iter().map(Step::run).collect();
    if outcomes.len() > 1 {
        println!();
        outcomes.iter().for_each(|outcome| println!("{outcome}"));
    }
    finish(outcomes.iter().map(|outcome| outcome.tally).sum())
}

fn refuse(missing: &[String]) -> ExitCode {
    for tool in missing {
        println!("missing: {tool}");
    }
    finish(Tally {
        failed: missing.len() as u64,
        ..Tally::default()
    })
}

/// The last line, which scripts read.
fn finish(tally: Tally) -> ExitCode {
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn cargo(root: &Path, line: &str) -> Command {
    let mut command = machine::cargo();
    command.args(line.split_whitespace()).current_dir(root);
    command
}

fn has_benches(root: &Path) -> bool {
    let is_rust = |entry: std::fs::DirEntry| {
        entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "rs")
    };
    root.join("benches")
        .read_dir()
        .is_ok_and(|entries| entries.flatten().any(is_rust))
}

/// The repository. Cargo sets the variable at run time; the value of the build is for a binary started by hand.
fn root() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let xtask = PathBuf::from(manifest);
    xtask.parent().map(Path::to_path_buf).unwrap_or(xtask)
}
