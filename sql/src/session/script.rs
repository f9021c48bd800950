//! A text of several statements, cut where the parser would cut it.
//!
//! The parser's own tokens decide, so a `;` in a text, a quoted name or a comment ends nothing.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError};

/// The first statement of a text, without the `;` that ends it, and what comes after that. `None` while no `;` ends it yet: the
/// text goes on, perhaps inside of a quoted text or a comment.
///
/// The statement may be [blank](is_blank).
///
/// ```
/// use gapless_sql::split_statement;
///
/// assert_eq!(split_statement("SELECT ';' -- a;\n, 1; SELECT 2"), Some(("SELECT ';' -- a;\n, 1", " SELECT 2")));
/// assert_eq!(split_statement("SELECT 'a;"), None);
/// ```
#[must_use]
pub fn split_statement(text: &str) -> Option<(&str, &str)> {
    let mut seen = 0;
    loop {
        // What comes after a `;` does not matter for it, and all that is behind one statement is not read for each.
        let window = window(text, seen);
        let (tokens, outcome) = tokens(window);
        let end = tokens.iter().find(|token| token.token == Token::SemiColon);
        let at = match (end, outcome) {
            (Some(end), _) => offset(text, end.span.start)?,
            _ if window.len() < text.len() => {
                seen = window.len();
                continue;
            }
            // More text mends what is not closed, and nothing else: the parser says what is wrong.
            (None, Err(error)) if !is_open(&error) => text.rfind(';')?,
            (None, _) => return None,
        };
        let (statement, rest) = text.split_at_checked(at)?;
        return Some((statement, rest.strip_prefix(';')?));
    }
}

/// A beginning of the text that ends with a `;`, at least twice as long as what was seen of it; all if there is none.
fn window(text: &str, seen: usize) -> &str {
    let bytes = text.as_bytes().get(seen.saturating_mul(2)..).unwrap_or_default();
    let end = bytes.iter().position(|byte| *byte == b';');
    end.and_then(|end| text.get(..=seen.saturating_mul(2) + end))
        .unwrap_or(text)
}

/// Whether a text holds nothing but blanks and comments.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    let (tokens, outcome) = tokens(text);
    let is_space = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    outcome.is_ok() && tokens.iter().all(is_space)
}

/// Whether a statement answers with rows, rather than with the count of those that it wrote: whether it is neither `INSERT` nor
/// `COPY`.
#[must_use]
pub fn gives_rows(statement: &str) -> bool {
    let (tokens, _) = tokens(statement);
    let first = tokens.iter().find_map(|token| match &token.token {
        Token::Word(word) => Some(word.keyword),
        _ => None,
    });
    !matches!(first, Some(Keyword::INSERT | Keyword::COPY))
}

/// The tokens up to the end or to the first that is none.
fn tokens(text: &str) -> (Vec<TokenWithSpan>, Result<(), TokenizerError>) {
    let mut tokens = Vec::new();
    let outcome = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location_into_buf(&mut tokens);
    (tokens, outcome)
}

/// Whether a quoted text or a comment is not closed.
fn is_open(error: &TokenizerError) -> bool {
    ["Unterminated", "before EOF", "Unexpected EOF"]
        .iter()
        .any(|word| error.message.contains(word))
}

/// The byte at which a token begins. Lines and columns are counted from 1, columns in characters.
fn offset(text: &str, location: Location) -> Option<usize> {
    let above = usize::try_from(location.line.checked_sub(1)?).ok()?;
    let left = usize::try_from(location.column.checked_sub(1)?).ok()?;
    let start: usize = text.split_inclusive('\n').take(above).map(str::len).sum();
    let (column, _) = text.get(start..)?.char_indices().nth(left)?;
    Some(start + column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_ends_a_statement_unless_it_is_quoted_or_in_a_comment() {
        for (text, statement, rest) in [
            ("SELECT 1;", "SELECT 1", ""),
            ("SELECT 1; SELECT 2;", "SELECT 1", " SELECT 2;"),
            (
                "SELECT ';', \";\", '''; ' -- ;\n/* ; /* ; */ ; */ ; x",
                "SELECT ';', \";\", '''; ' -- ;\n/* ; /* ; */ ; */ ",
                " x",
            ),
            ("SELECT 'é;',\n'ü'\n; y", "SELECT 'é;',\n'ü'\n", " y"),
            (";;", "", ";"),
            ("SELECT $$ a;b $$;", "SELECT $$ a;b $$", ""),
            ("SELECT 1;\r\nSELECT", "SELECT 1", "\r\nSELECT"),
            ("SELECT 1; SELECT 'open", "SELECT 1", " SELECT 'open"),
        ] {
            assert_eq!(split_statement(text), Some((statement, rest)), "{text:?}");
        }
    }

    #[test]
    fn a_text_goes_on_until_its_quotes_and_comments_are_closed_and_a_semicolon_comes() {
        for text in [
            "",
            "SELECT 1",
            "SELECT ';",
            "SELECT \";",
            "SELECT /* ;",
            "SELECT /* /* */ ;",
            "-- ;",
            "$$ ;",
        ] {
            assert_eq!(split_statement(text), None, "{text:?}");
        }
    }

    #[test]
    fn blanks_and_comments_are_no_statement() {
        for text in ["", " \n\t", "-- a", "/* a */ -- b\n"] {
            assert!(is_blank(text), "{text:?}");
        }
        for text in ["1", "/* a", ";", "'"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_answers_with_a_count() {
        for text in ["INSERT INTO a VALUES (1)", " -- SELECT\ncopy a TO 'b.csv'"] {
            assert!(!gives_rows(text), "{text:?}");
        }
        for text in [
            "SELECT 'INSERT'",
            "/* INSERT */ WITH a AS (SELECT 1) SELECT * FROM a",
            "VALUES (1)",
            "EXPLAIN INSERT",
        ] {
            assert!(gives_rows(text), "{text:?}");
        }
    }
}
