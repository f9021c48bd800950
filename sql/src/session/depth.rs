//! How deep a statement is, told from its words.
//!
//! `a + b + c` is a tree as deep as it has operators, and so are queries between which `UNION` stands. Parser and planner go down such
//! trees by recursion, as does whoever frees them: a statement that is too deep has to be refused before there is a tree.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use gapless_engine::{Error, Result};

/// Operators and set operations that may stand in a row, those in parentheses among them counted with those around them.
const IN_ROW_MAX: usize = 1000;

/// What stands between two parentheses.
#[derive(Default)]
struct Level {
    /// How deep the part of an expression is that is being read: up to the next `AND` or `OR`.
    depth: usize,
    /// How deep the deepest part before it is.
    deepest_part: usize,
    /// The `AND` and `OR` of the expression.
    parts: usize,
    /// How deep the deepest expression before it is.
    deepest: usize,
    /// Queries and tables that are joined by words.
    joined: usize,
    /// Whether commas stand between tables.
    in_tables: bool,
}

impl Level {
    fn expression(&self) -> usize {
        self.deepest_part.max(self.depth) + self.parts
    }

    fn total(&self) -> usize {
        self.deepest.max(self.expression()) + self.joined
    }

    fn part(&mut self) {
        self.deepest_part = self.deepest_part.max(self.depth);
        self.depth = 0;
        self.parts += 1;
    }

    /// Another expression begins.
    fn next(&mut self) {
        self.deepest = self.deepest.max(self.expression());
        (self.depth, self.deepest_part, self.parts) = (0, 0, 0);
    }

    fn word(&mut self, keyword: Keyword) {
        use Keyword as K;
        match keyword {
            K::AND | K::OR => self.part(),
            K::IS | K::LIKE | K::ILIKE | K::SIMILAR | K::BETWEEN | K::IN | K::AT | K::COLLATE => {
                self.depth += 1;
            }
            K::UNION | K::INTERSECT | K::EXCEPT | K::MINUS | K::JOIN => {
                self.joined += 1;
                self.in_tables = keyword == K::JOIN;
                self.next();
            }
            K::FROM => {
                self.in_tables = true;
                self.next();
            }
            K::SELECT | K::WHERE | K::GROUP | K::HAVING | K::ORDER | K::LIMIT | K::WINDOW | K::QUALIFY => {
                self.in_tables = false;
                self.next();
            }
            K::WHEN | K::THEN | K::ELSE => self.next(),
            _ => {}
        }
    }
}

/// Refuses a text with a statement that is too deep. What is no SQL is left to the parser.
pub(super) fn check(text: &str) -> Result<()> {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, text).tokenize() else {
        return Ok(());
    };
    let mut levels = vec![Level::default()];
    for token in tokens {
        let Some(level) = levels.last_mut() else { break };
        match token {
            Token::Whitespace(_) | Token::Number(..) | Token::Period => {}
            Token::Word(word) => level.word(word.keyword),
            Token::LParen | Token::LBracket | Token::LBrace => levels.push(Level::default()),
            Token::RParen | Token::RBracket | Token::RBrace => {
                let inner = level.total() + 1;
                // One that closes nothing is the parser's to refuse.
                if levels.len() > 1 {
                    levels.pop();
                    if let Some(around) = levels.last_mut() {
                        around.depth = around.depth.max(inner);
                    }
                }
            }
            Token::Comma => {
                level.joined += usize::from(level.in_tables);
                level.next();
            }
            Token::SemiColon => *level = Level::default(),
            // Literals are among these, too: two never follow each other.
            _ => level.depth += 1,
        }
        if levels.last().is_some_and(|level| level.total() > IN_ROW_MAX) {
            return Err(Error::invalid(format!(
                "more than {IN_ROW_MAX} operators, joins or set operations in a row: for many values of one column write IN (...), for rows \
                 VALUES (...), (...), and cut what is left into several statements"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(text: &str) -> bool {
        check(text).is_err()
    }

    #[test]
    fn what_makes_a_tree_deep_is_counted_and_lists_are_not() {
        let times = |part: &str, count: usize| part.repeat(count);
        for deep in [
            format!("SELECT 1{}", times(" + 1", 1001)),
            format!("SELECT 1 WHERE a{}", times(" OR a", 1001)),
            format!("SELECT 1{}", times(" UNION ALL SELECT 1", 1001)),
            format!("SELECT 1 FROM t{}", times(" JOIN t ON TRUE", 1001)),
            format!("SELECT 1 FROM t{}", times(", t", 1001)),
            format!("SELECT ({}){}", times("1 + ", 600) + "1", times(" + 1", 600)),
            format!("SELECT 1{}", times("::int", 1001)),
            format!("SELECT {}1{}", times("(", 1001), times(")", 1001)),
            format!(
                "SELECT ({}(SELECT 1){})",
                times("1 + (", 600),
                times(") * 2", 600)
            ),
        ] {
            assert!(is_refused(&deep), "{}", &deep[..60]);
        }
        for flat in [
            format!("SELECT 1{}", times(" + 1", 900)),
            format!("SELECT 1 WHERE a{}", times(" OR t.a = 'x' + 1", 900)),
            format!("SELECT 1{}", times(", a + 1", 5000)),
            format!("SELECT a IN (1{})", times(", -1", 5000)),
            format!("INSERT INTO t VALUES (1, 2){}", times(", (1 + 2, 3)", 5000)),
            format!("SELECT CASE a{} END", times(" WHEN 1 THEN a + 1", 5000)),
            times("SELECT 1 + 1;", 5000),
            format!("SELECT '{}'", times("+ ", 5000)),
            times(")", 5000),
        ] {
            assert!(!is_refused(&flat), "{}", &flat[..60]);
        }
    }
}
