//! What the machine must have before a test run makes sense.

use std::ffi::OsString;
use std::process::{Command, Stdio};

/// The cargo that started this program.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The tools that are not there, each with what it is for and how to get it.
pub fn missing() -> Vec<String> {
    let mut fmt = cargo();
    fmt.arg("fmt");
    let mut clippy = cargo();
    clippy.arg("clippy");
    let compiler = c_compiler();
    let needed = [
        (
            fmt,
            "cargo fmt, for the format step: rustup component add rustfmt".to_owned(),
        ),
        (
            clippy,
            "cargo clippy, for the lints: rustup component add clippy".to_owned(),
        ),
        (
            Command::new(&compiler),
            format!(
                "a C compiler ({}), which builds zstd: install gcc or clang, or name one in CC",
                compiler.display()
            ),
        ),
        (
            Command::new("git"),
            "git, which lists the files for the hygiene step".to_owned(),
        ),
    ];
    needed
        .into_iter()
        .filter_map(|(tool, advice)| (!answers(tool)).then_some(advice))
        .collect()
}

fn c_compiler() -> OsString {
    std::env::var_os("CC").unwrap_or_else(|| "cc".into())
}

fn answers(mut tool: Command) -> bool {
    let status = tool
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_there_answers_and_one_that_is_not_does_not() {
        assert!(answers(cargo()));
        assert!(!answers(Command::new("gapless-no-such-tool")));
    }
}
