//! Statements that begin as an option does: `-- a comment`, `-1`.
//!
//! clap would take them for options, and if it were told to take what begins with `-` as a statement it would take misspelt options
//! and `-n5` too. So a word that can only be a statement is marked before clap sees it.

use std::ffi::{OsStr, OsString};

use clap::CommandFactory;

use crate::arguments::Arguments;

/// No word of a command line can hold this.
const MARK: char = '\0';

/// The verb whose statement is a word.
const VERB: &str = "query";

/// Marks statements among the words of a command line.
pub(crate) fn mark(words: &mut [OsString]) {
    let begins_so = |word: &OsString| {
        word.to_str()
            .is_some_and(|word| word.len() > 2 && word.starts_with('-'))
    };
    let mut verbs = words.iter().skip(1);
    if verbs
        .find(|word| !begins_so(word))
        .is_none_or(|verb| verb != VERB)
        || !words.iter().any(may_be_statement)
    {
        return;
    }
    let options = Options::of_verb();
    let mut is_value = false;
    for word in words {
        if word == "--" {
            return;
        }
        if !is_value && options.is_statement(word) {
            let mut marked = OsString::from(MARK.to_string());
            marked.push(&*word);
            *word = marked;
        }
        is_value = options.takes_value(word);
    }
}

/// A statement without its mark.
pub(crate) fn unmarked(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Whether the options decide.
fn may_be_statement(word: &OsString) -> bool {
    let Some(rest) = word.to_str().and_then(|word| word.strip_prefix('-')) else {
        return false;
    };
    rest.starts_with(|first: char| first.is_ascii_digit()) || rest.contains(char::is_whitespace)
}

/// The options of the verb.
struct Options(clap::Command);

impl Options {
    fn of_verb() -> Self {
        let all = Arguments::command();
        Self(all.find_subcommand(VERB).cloned().unwrap_or_default())
    }

    /// Names have no blanks, and no short one is a digit.
    fn is_statement(&self, word: &OsString) -> bool {
        if !may_be_statement(word) {
            return false;
        }
        let text = word.to_string_lossy();
        match text.strip_prefix("--") {
            Some(long) => !self.has_long(long.split('=').next().unwrap_or(long)),
            None => text
                .chars()
                .nth(1)
                .is_none_or(|short| self.short(short).is_none()),
        }
    }

    /// Whether the next word is the value of this one.
    fn takes_value(&self, word: &OsStr) -> bool {
        let Some(word) = word.to_str() else { return false };
        let option = match word.strip_prefix("--") {
            Some(long) => self.long(long),
            None => match word.as_bytes() {
                [b'-', short] => self.short(char::from(*short)),
                _ => None,
            },
        };
        option.is_some_and(|option| option.get_action().takes_values())
    }

    fn has_long(&self, name: &str) -> bool {
        name == "json" || name == "help" || self.long(name).is_some()
    }

    fn long(&self, name: &str) -> Option<&clap::Arg> {
        let is_it = |option: &&clap::Arg| {
            option.get_long() == Some(name)
                || option
                    .get_all_aliases()
                    .is_some_and(|names| names.contains(&name))
        };
        self.0.get_arguments().find(is_it)
    }

    fn short(&self, name: char) -> Option<&clap::Arg> {
        self.0
            .get_arguments()
            .find(|option| option.get_short() == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(line: &[&str]) -> Vec<usize> {
        let mut words: Vec<OsString> = line.iter().map(OsString::from).collect();
        mark(&mut words);
        let marks = words
            .iter()
            .enumerate()
            .filter(|(_, word)| word.to_string_lossy().starts_with(MARK));
        marks.map(|(at, _)| at).collect()
    }

    #[test]
    fn a_word_that_is_no_option_is_a_statement() {
        for statement in [
            "-- note\nSELECT 1",
            "--note\nSELECT 1",
            "--a=b\nSELECT 1",
            "-- x = 1",
            "-1",
            "-1 + 2",
            "- 1",
        ] {
            assert_eq!(
                marked(&["gapless", "query", "db", statement, "--format", "csv"]),
                [3],
                "{statement}"
            );
            assert_eq!(
                marked(&["gapless", "query", "db", "-n5", "--format", "csv", statement]),
                [6],
                "{statement}"
            );
            assert_eq!(
                marked(&["gapless", "--json", "query", "db", statement]),
                [4],
                "{statement}"
            );
        }
    }

    #[test]
    fn options_misspelt_ones_and_values_are_none() {
        for words in [
            ["gapless", "query", "db", "--formt", "csv"],
            ["gapless", "query", "db", "-n", "-1"],
            ["gapless", "query", "db", "--file", "-- a"],
            ["gapless", "query", "db", "--file=a b\nc", "-oa b"],
            ["gapless", "query", "db", "--snapshot", "-1"],
            ["gapless", "query", "db", "--", "-- a"],
            ["gapless", "query", "db", "-", "--"],
            ["gapless", "head", "db", "query", "-1"],
        ] {
            assert!(marked(&words).is_empty(), "{words:?}");
        }
    }
}
