//! One step of a chore: run it, show its output as it comes, time it, count what passed.
//!
//! A step never ends the chore. What goes wrong with it, a tool that cannot be started included, is a failed count.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::tally::Tally;

/// A named piece of work.
pub struct Step {
    name: &'static str,
    work: Work,
}

/// What a step does, and how it is counted.
pub enum Work {
    /// Counts as one: passed when the command succeeds.
    Command(Command),
    /// Counts the test results in the command's output.
    Tests(Command),
    /// Counts the test results of a command that has to be made first in the directory.
    Prepared(fn(&Path) -> Result<Command, String>, PathBuf),
    /// Counts as one: passed when nothing is found in the directory.
    Check(fn(&Path) -> Vec<String>, PathBuf),
}

/// What came of a step.
pub struct Outcome {
    name: &'static str,
    took: Duration,
    /// What is added to the chore's last line.
    pub tally: Tally,
}

impl Step {
    /// A step that has not run.
    pub fn new(name: &'static str, work: Work) -> Self {
        Self { name, work }
    }

    /// Runs it, with a headline before and its time after.
    pub fn run(self) -> Outcome {
        println!("--- {}", self.name);
        let start = Instant::now();
        let tally = match self.work {
            Work::Command(mut command) => one(succeeds(&mut command)),
            Work::Tests(mut command) => counted(&mut command, &mut io::stdout()),
            Work::Prepared(prepare, root) => prepared(prepare(&root)),
            Work::Check(check, root) => one(found_nothing(&check(&root))),
        };
        let outcome = Outcome {
            name: self.name,
            took: start.elapsed(),
            tally,
        };
        println!("{outcome}");
        outcome
    }
}

impl fmt::Display for Outcome {
    // Not "N passed, M failed": only the last line of a chore says that.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            passed,
            failed,
            ignored,
        } = self.tally;
        let word = if failed == 0 { "ok" } else { "FAILED" };
        write!(f, "{:>8.1} s  {:<10} {word}", self.took.as_secs_f64(), self.name)?;
        match passed + failed {
            0 | 1 => {}
            all => write!(f, " ({passed} of {all})")?,
        }
        if ignored > 0 {
            write!(f, ", {ignored} ignored")
        } else {
            Ok(())
        }
    }
}

fn one(passed: bool) -> Tally {
    Tally {
        passed: passed.into(),
        failed: (!passed).into(),
        ignored: 0,
    }
}

fn succeeds(command: &mut Command) -> bool {
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => not_started(command, &error),
    }
}

fn counted(command: &mut Command, output: &mut dyn Write) -> Tally {
    match stream(command, output) {
        Ok(tally) => tally,
        Err(error) => one(not_started(command, &error)),
    }
}

fn prepared(command: Result<Command, String>) -> Tally {
    match command {
        Ok(mut command) => counted(&mut command, &mut io::stdout()),
        Err(reason) => {
            println!("{reason}");
            one(false)
        }
    }
}

fn found_nothing(findings: &[String]) -> bool {
    for finding in findings {
        println!("{finding}");
    }
    findings.is_empty()
}

fn not_started(command: &Command, error: &io::Error) -> bool {
    println!("{}: {error}", command.get_program().display());
    false
}

/// Passes the output of a test command through while counting its results.
///
/// A command that fails without a failed test (it did not compile, a test binary crashed) counts as one failure, and
/// so does one that succeeds without having run a test: a filter that matches nothing must not look like success.
///
/// The output goes to `output`, because the harness does not capture what a test writes to `io::stdout()`: the result
/// lines of the tests below would be counted by the run that they are part of.
fn stream(command: &mut Command, output: &mut dyn Write) -> io::Result<Tally> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line?;
            output.write_all(&line)?;
            output.write_all(b"\n")?;
            tally += Tally::of_result_line(&String::from_utf8_lossy(&line)).unwrap_or_default();
        }
    }
    let succeeded = child.wait()?.success();
    if succeeded && tally.passed == 0 {
        writeln!(output, "no test ran")?;
    }
    if tally.failed == 0 && (!succeeded || tally.passed == 0) {
        tally.failed = 1;
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn count_of(mut command: Command) -> Tally {
        counted(&mut command, &mut Vec::new())
    }

    const TWO_PASSED: &str =
        "echo 'test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out'";

    #[test]
    fn results_of_all_test_binaries_are_added_up() {
        let tally = count_of(shell(&format!("{TWO_PASSED}; {TWO_PASSED}")));
        assert_eq!(
            tally,
            Tally {
                passed: 4,
                failed: 0,
                ignored: 2
            }
        );
    }

    #[test]
    fn a_command_that_fails_without_a_failed_test_counts_as_one_failure() {
        assert_eq!(count_of(shell(&format!("{TWO_PASSED}; exit 101"))).failed, 1);
        assert_eq!(
            count_of(shell("exit 101")),
            Tally {
                passed: 0,
                failed: 1,
                ignored: 0
            }
        );
    }

    #[test]
    fn a_run_without_any_test_is_not_a_success() {
        assert_eq!(count_of(shell("echo nothing to do")).failed, 1);
    }

    #[test]
    fn a_tool_that_cannot_be_started_is_a_failure_and_not_a_panic() {
        assert_eq!(count_of(Command::new("gapless-no-such-tool")).failed, 1);
        assert!(!succeeds(&mut Command::new("gapless-no-such-tool")));
    }

    #[test]
    fn tests_that_cannot_be_prepared_are_one_failure() {
        assert_eq!(prepared(Err("no compiler".to_owned())).failed, 1);
    }

    #[test]
    fn output_that_is_not_utf8_is_passed_through() {
        let mut output = Vec::new();
        let tally = counted(
            &mut shell(&format!("printf '\\377\\n'; {TWO_PASSED}")),
            &mut output,
        );
        assert_eq!(tally.passed, 2);
        assert!(output.starts_with(b"\xFF\ntest result: "));
    }

    #[test]
    fn no_line_of_a_step_looks_like_the_last_line_of_a_chore() {
        let tally = Tally {
            passed: 7,
            failed: 2,
            ignored: 1,
        };
        let outcome = Outcome {
            name: "tests",
            took: Duration::from_millis(1500),
            tally,
        };
        assert_eq!(
            outcome.to_string(),
            "     1.5 s  tests      FAILED (7 of 9), 1 ignored"
        );
    }
}
