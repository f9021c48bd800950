//! The command line of a request: a template, and values quoted for the shell.
//!
//! A placeholder inside of quotes is refused: what is quoted twice is not quoted, and the name of a series could become a
//! command.

use gapless::backfill::FetchRequest;
use gapless::duration_text;

use crate::error::CliError;
use crate::render::instant;

const NAMES: [&str; 5] = ["series", "start", "end", "interval", "table"];

/// Text and placeholders, in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(&'static str),
}

impl Template {
    /// # Errors
    /// `Invalid` for no command, or a placeholder that could not be quoted.
    pub(super) fn parse(text: &str) -> Result<Self, CliError> {
        if text.trim().is_empty() {
            return Err(CliError::invalid("--exec needs a command"));
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let (mut quote, mut escaped) = (None, false);
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some(name) = placeholder(rest) {
                if quote.is_some() || escaped || plain.ends_with('$') {
                    return Err(CliError::invalid(format!(
                        "--exec: {{{name}}} stands inside of quotes, or after $ or a backslash"
                    ))
                    .hint(format!(
                        "it is quoted for the shell: write it bare, or use \"$GAPLESS_{}\"",
                        name.to_uppercase()
                    )));
                }
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Name(name));
                rest = rest.get(name.len() + 2..).unwrap_or_default();
                continue;
            }
            match (quote, character) {
                _ if escaped => escaped = false,
                (None | Some('"' | '`'), '\\') => escaped = true,
                (None, '\'' | '"' | '`') => quote = Some(character),
                (Some(open), closing) if open == closing => quote = None,
                _ => {}
            }
            plain.push(character);
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
        parts.push(Part::Text(plain));
        Ok(Self { parts })
    }

    /// The command line of a request.
    pub(super) fn fill(
        &self,
        table: &str,
        series: Option<&str>,
        interval: i64,
        start: i64,
        end: i64,
    ) -> String {
        let value = |name: &str| match name {
            "series" => series.unwrap_or_default().to_owned(),
            "start" => instant(start),
            "end" => instant(end),
            "interval" => duration_text(interval),
            _ => table.to_owned(),
        };
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Name(name) => quoted(&value(name)),
        });
        parts.collect()
    }

    pub(super) fn fill_for(&self, request: &FetchRequest) -> String {
        let series = request.series.as_deref();
        self.fill(
            &request.table,
            series,
            request.interval,
            request.start,
            request.end,
        )
    }
}

/// The placeholder at the beginning of a text.
fn placeholder(text: &str) -> Option<&'static str> {
    let rest = text.strip_prefix('{')?;
    let name = rest.split_once('}')?.0;
    NAMES.into_iter().find(|known| *known == name)
}

/// One word of the shell, whatever the text holds.
fn quoted(text: &str) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+=,-".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_safe) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, series: &str) -> String {
        let template = Template::parse(template).expect("a template");
        template.fill("bars", Some(series), 60_000_000_000, 0, 3_600_000_000_000)
    }

    #[test]
    fn values_are_one_word_each_whatever_they_hold() {
        assert_eq!(
            filled("get {series} {start} {end} {interval} {table}", "AAPL"),
            "get AAPL 1970-01-01T00:00:00Z 1970-01-01T01:00:00Z 1m bars"
        );
        assert_eq!(filled("get {series}", "a b"), "get 'a b'");
        assert_eq!(filled("get {series}", "$(rm -rf ~)'"), r"get '$(rm -rf ~)'\'''");
        assert_eq!(filled("get {series}", ""), "get ''");
        assert_eq!(filled("get -s={series}", "BRK.B"), "get -s=BRK.B");
    }

    #[test]
    fn other_braces_are_left_to_the_shell() {
        assert_eq!(
            filled("awk '{print $1}' ${X} {a,b} {series}", "A"),
            "awk '{print $1}' ${X} {a,b} A"
        );
    }

    #[test]
    fn a_placeholder_in_quotes_is_refused() {
        for template in [
            "get '{series}'",
            "get \"{series}\"",
            "get \"$(x {series})\"",
            "get ${series}",
            "get \\{series}",
            "get `x {series}`",
            "",
        ] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
        assert!(Template::parse("get \"it's\" {series}").is_ok());
        assert!(Template::parse("get it\\'s {series}").is_ok());
    }
}
