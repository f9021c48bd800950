//! The project's chores, run as `cargo xtask CHORE`.
//!
//! - `chores` says which steps a chore has; `step` runs one and counts what passed.
//! - Every chore that tests ends with one line of its own, `N passed, M failed`, and exits with 1 when M is not 0.
//!
//! This crate depends on nothing, so that it builds in a second on a fresh machine.

mod chores;
mod compare;
mod hygiene;
mod machine;
mod peers;
mod python;
mod step;
mod tally;

use std::process::ExitCode;

const HELP: &str = "\
Chores of gapless. Usage: cargo xtask CHORE

  test                   format, hygiene, lints, all tests, every bench once; ends with `N passed, M failed`
  python                 the Python package, built in the dev profile, its tests and the code of its pages
  real-data              the suite's `real_data` and `real_gaps` in release, on the real files when they are there
  bench [NAME] [ARGS]    measure: all benches, or the one in benches/NAME.rs; ARGS go to criterion
  bench-compare --scale XS|S|M|L [ARGS]
                         gapless beside other engines; writes docs/comparison.md and .svg; --help tells the ARGS
  help                   this text

Exit code: 0 when all passed, 1 when something failed, 2 on misuse.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["test"] => chores::test(),
        ["python"] => chores::python(),
        ["real-data"] => chores::real_data(),
        ["bench", rest @ ..] => chores::bench(rest),
        ["bench-compare", rest @ ..] => chores::bench_compare(rest),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{HELP}");
            ExitCode::from(2)
        }
    }
}
