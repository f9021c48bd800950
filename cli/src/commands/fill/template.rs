//! The command line of a request: a template whose placeholders become references to variables of the environment.
//!
//! No value is ever part of the text that the shell parses: what a variable holds is not parsed again, wherever its reference
//! stands. So the name of a series cannot become a command, even where the quotes of the template were understood wrongly; a
//! reference in a wrong place is a wrong argument at most.

use gapless::duration_text;

use crate::error::CliError;
use crate::render::instant;

/// Placeholders, and the variables that have their values.
const NAMES: [(&str, &str); 5] = [
    ("series", "GAPLESS_SERIES"),
    ("start", "GAPLESS_START"),
    ("end", "GAPLESS_END"),
    ("interval", "GAPLESS_INTERVAL"),
    ("table", "GAPLESS_TABLE"),
];

/// Text and placeholders, in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Reference { variable: &'static str, quote: Quote },
}

/// What a placeholder stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    Bare,
    Double,
    Single,
}

/// What a request is about, as scripts read it.
#[derive(Debug, Clone)]
pub(super) struct Values {
    values: [(&'static str, String); 5],
}

impl Values {
    pub(super) fn new(table: &str, series: Option<&str>, interval: i64, start: i64, end: i64) -> Self {
        let value = |name: &str| match name {
            "series" => series.unwrap_or_default().to_owned(),
            "start" => instant(start),
            "end" => instant(end),
            "interval" if interval > 0 => duration_text(interval),
            "interval" => "none".to_owned(),
            _ => table.to_owned(),
        };
        Self {
            values: NAMES.map(|(name, variable)| (variable, value(name))),
        }
    }

    /// The variables and their values.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(name, value)| (*name, value.as_str()))
    }

    fn of(&self, variable: &str) -> &str {
        let found = self.variables().find(|(name, _)| *name == variable);
        found.map_or("", |(_, value)| value)
    }
}

impl Template {
    /// # Errors
    /// `Invalid` for no command, or a placeholder after `$` or a backslash.
    pub(super) fn parse(text: &str) -> Result<Self, CliError> {
        if text.trim().is_empty() {
            return Err(CliError::invalid("--exec needs a command"));
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut context = Context::default();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some((name, variable)) = placeholder(rest) {
                if context.is_escaped || plain.ends_with('$') {
                    return Err(CliError::invalid(format!(
                        "--exec: {{{name}}} stands after $ or a backslash"
                    ))
                    .hint(format!("write {{{name}}} without it, or use \"${variable}\"")));
                }
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Reference {
                    variable,
                    quote: context.quote(),
                });
                rest = rest.get(name.len() + 2..).unwrap_or_default();
                continue;
            }
            context.step(plain.chars().next_back(), character);
            plain.push(character);
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
        parts.push(Part::Text(plain));
        Ok(Self { parts })
    }

    /// What the shell runs: the same for each request.
    pub(super) fn line(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Reference { variable, quote } => quote.reference(variable),
        });
        parts.collect()
    }

    /// What is run for a request, for people: values that are plain words stand in place of their references.
    pub(super) fn shown(&self, values: &Values) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Reference { variable, quote } => {
                let value = values.of(variable);
                match is_plain(value) {
                    true => value.to_owned(),
                    false => quote.reference(variable),
                }
            }
        });
        parts.collect()
    }
}

impl Quote {
    fn reference(self, variable: &str) -> String {
        match self {
            Self::Bare => format!("\"${{{variable}}}\""),
            Self::Double => format!("${{{variable}}}"),
            Self::Single => format!("'\"${{{variable}}}\"'"),
        }
    }
}

/// What is open at a place of a template, as a shell sees it: quotes, `$(`, comments. It need not be right for all that a shell
/// can be told.
#[derive(Debug, Default)]
struct Context {
    /// What is open, by the character that opened it: `'`, `"`, a backquote, `(` or `#`.
    open: Vec<char>,
    is_escaped: bool,
}

impl Context {
    fn quote(&self) -> Quote {
        match self.open.last() {
            Some('"') => Quote::Double,
            Some('\'') => Quote::Single,
            _ => Quote::Bare,
        }
    }

    fn step(&mut self, before: Option<char>, character: char) {
        if std::mem::take(&mut self.is_escaped) {
            return;
        }
        let inner = self.open.last().copied();
        let is_bare = !matches!(inner, Some('"' | '\'' | '#'));
        let begins_word = before.is_none_or(|before| before.is_whitespace() || ";|&(`".contains(before));
        match (inner, character) {
            (Some('#'), '\n') | (Some('\''), '\'') | (Some('"'), '"') | (Some('('), ')') => {
                self.open.pop();
            }
            (Some('#' | '\''), _) => {}
            (_, '\\') => self.is_escaped = true,
            (_, '`') if self.open.contains(&'`') => while self.open.pop().is_some_and(|open| open != '`') {},
            (_, '`') => self.open.push('`'),
            (Some('"'), '(') if before == Some('$') => self.open.push('('),
            _ if is_bare && "'\"(".contains(character) => self.open.push(character),
            (_, '#') if is_bare && begins_word => self.open.push('#'),
            _ => {}
        }
    }
}

/// The placeholder at the beginning of a text, and its variable.
fn placeholder(text: &str) -> Option<(&'static str, &'static str)> {
    let rest = text.strip_prefix('{')?;
    let name = rest.split_once('}')?.0;
    NAMES.into_iter().find(|(known, _)| *known == name)
}

/// Whether a text is the same word in any quotes or none.
fn is_plain(text: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+=,-".contains(&byte);
    !text.is_empty() && text.bytes().all(is_safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(template: &str) -> String {
        Template::parse(template).expect("a template").line()
    }

    fn shown(template: &str, series: &str) -> String {
        let values = Values::new("bars", Some(series), 60_000_000_000, 0, 3_600_000_000_000);
        Template::parse(template).expect("a template").shown(&values)
    }

    /// What a shell prints when it runs a template.
    fn run(template: &str, series: &str) -> String {
        let values = Values::new("bars", Some(series), 60_000_000_000, 0, 1);
        let output = std::process::Command::new("sh")
            .args(["-c", &line(template)])
            .envs(values.variables())
            .output()
            .expect("a shell");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    fn placeholders_become_references_in_the_quotes_that_they_stand_in() {
        assert_eq!(
            line("get {series} {end}"),
            r#"get "${GAPLESS_SERIES}" "${GAPLESS_END}""#
        );
        assert_eq!(line(r#"get "h/{series}?a""#), r#"get "h/${GAPLESS_SERIES}?a""#);
        assert_eq!(line("get 'h/{series}'"), r#"get 'h/'"${GAPLESS_SERIES}"''"#);
        assert_eq!(
            line("awk '{print $1}' ${X} {a,b} {series}"),
            r#"awk '{print $1}' ${X} {a,b} "${GAPLESS_SERIES}""#
        );
    }

    #[test]
    fn a_shell_sees_each_value_as_it_is_and_runs_nothing_of_it() {
        for series in [
            "AAPL",
            "a  b",
            "*",
            "$(echo X)",
            "`echo X`",
            "'; echo X; '",
            "\"; echo X; \"",
            "\\",
        ] {
            for template in [
                "printf %s {series}",
                "printf %s '{series}'",
                "printf %s \"{series}\"",
                "x=\"$(printf %s \"{series}\")\"; printf %s \"$x\"",
                "x=`printf %s {series}`; printf %s \"$x\"",
                "# don't\nprintf %s '{series}'",
                "printf %s \"it's {series}\" | cut -c6- | tr -d '\\n'",
            ] {
                assert_eq!(run(template, series), series, "{template}");
            }
        }
        // What is understood wrongly is a wrong argument, and never a command.
        for template in [
            "cat <<EOF\n{series}\nEOF",
            "cat <<'EOF'\n{series}\nEOF",
            "x=$(case a in a) echo \"{series}\";; esac); echo \"$x\"",
        ] {
            assert!(!run(template, "$(echo X)`echo X`").contains("XX"), "{template}");
        }
    }

    #[test]
    fn values_that_are_plain_words_are_shown_in_place() {
        assert_eq!(
            shown("get {series} {start} {end} {interval} {table}", "AAPL"),
            "get AAPL 1970-01-01T00:00:00Z 1970-01-01T01:00:00Z 1m bars"
        );
        assert_eq!(shown("get '{series}'", "BRK.B"), "get 'BRK.B'");
        assert_eq!(shown("get -s={series}", "$(x)"), r#"get -s="${GAPLESS_SERIES}""#);
        assert_eq!(shown("get {series}", ""), r#"get "${GAPLESS_SERIES}""#);
    }

    #[test]
    fn a_placeholder_after_a_dollar_or_a_backslash_is_refused() {
        for template in ["get ${series}", "get \\{series}", ""] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
        assert!(Template::parse("get it\\'s {series}").is_ok());
    }
}
