//! Rows of JSON lines: where each key and value lies in its line, without copying.
//!
//! A line holds a row (an object, or an array of scalars) or an array of rows, which may be empty.
//! The grammar is RFC 8259; values inside rows are scalars, anything deeper is refused.

use std::borrow::Cow;
use std::ops::Range;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonKind {
    Null,
    Bool,
    Number,
    String,
    /// An array or object inside a row: refused by the reader, which knows the column's name.
    Nested,
}

/// Part of a line: without the quotes when it is a string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u32,
    end: u32,
    escaped: bool,
}

impl Span {
    /// The text of this part, unescaped.
    pub(crate) fn text<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let raw = line.get(self.start as usize..self.end as usize)?;
        if !self.escaped {
            return Some(Cow::Borrowed(raw));
        }
        let quoted = line.get((self.start as usize).checked_sub(1)?..=self.end as usize)?;
        serde_json::from_slice::<String>(quoted)
            .ok()
            .map(|text| Cow::Owned(text.into_bytes()))
    }
}

/// One value of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonField {
    /// The key, if the row is an object.
    pub(crate) key: Option<Span>,
    pub(crate) kind: JsonKind,
    pub(crate) value: Span,
}

/// The rows of one line.
#[derive(Default)]
pub(crate) struct JsonRows {
    pub(crate) fields: Vec<JsonField>,
    /// The fields of each row.
    pub(crate) rows: Vec<Range<usize>>,
}

/// How deep a nested value may go before it is refused unread.
const DEPTH_MAX: usize = 64;

impl JsonRows {
    /// Finds the rows of `line`, or says why it is not JSON.
    pub(crate) fn scan(&mut self, line: &[u8]) -> Result<(), String> {
        self.fields.clear();
        self.rows.clear();
        let mut cursor = Cursor { line, at: 0 };
        cursor.blanks();
        match cursor.peek() {
            Some(b'{') => self.object(&mut cursor)?,
            Some(b'[') => self.array(&mut cursor)?,
            _ => return Err("is not a JSON object or array".into()),
        }
        cursor.blanks();
        if cursor.peek().is_some() {
            Err(cursor.unexpected("the end of the line"))
        } else {
            Ok(())
        }
    }

    fn object(&mut self, cursor: &mut Cursor<'_>) -> Result<(), String> {
        let first = self.fields.len();
        cursor.expect(b'{')?;
        cursor.blanks();
        if !cursor.eat(b'}') {
            loop {
                cursor.blanks();
                let key = cursor.string()?;
                cursor.blanks();
                cursor.expect(b':')?;
                let (kind, value) = cursor.value()?;
                self.fields.push(JsonField {
                    key: Some(key),
                    kind,
                    value,
                });
                cursor.blanks();
                if !cursor.eat(b',') {
                    break;
                }
            }
            cursor.expect(b'}')?;
        }
        self.rows.push(first..self.fields.len());
        Ok(())
    }

    /// An array: of rows if its first item is an array or object, else a row itself.
    fn array(&mut self, cursor: &mut Cursor<'_>) -> Result<(), String> {
        cursor.expect(b'[')?;
        cursor.blanks();
        if cursor.eat(b']') {
            return Ok(());
        }
        if !matches!(cursor.peek(), Some(b'[' | b'{')) {
            return self.row_of_items(cursor);
        }
        loop {
            cursor.blanks();
            match cursor.peek() {
                Some(b'{') => self.object(cursor)?,
                Some(b'[') => {
                    cursor.expect(b'[')?;
                    self.row_of_items(cursor)?;
                }
                _ => return Err(cursor.unexpected("a row")),
            }
            cursor.blanks();
            if !cursor.eat(b',') {
                return cursor.expect(b']');
            }
        }
    }

    /// The items of an array whose bracket is read.
    fn row_of_items(&mut self, cursor: &mut Cursor<'_>) -> Result<(), String> {
        let first = self.fields.len();
        loop {
            let (kind, value) = cursor.value()?;
            self.fields.push(JsonField {
                key: None,
                kind,
                value,
            });
            cursor.blanks();
            if !cursor.eat(b',') {
                cursor.expect(b']')?;
                self.rows.push(first..self.fields.len());
                return Ok(());
            }
        }
    }
}

struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("'{}'", char::from(byte))))
        }
    }

    fn unexpected(&self, wanted: &str) -> String {
        match self.peek() {
            Some(byte) => {
                format!(
                    "is not JSON: expected {wanted} at byte {}, found {:?}",
                    self.at + 1,
                    char::from(byte)
                )
            }
            None => format!("is not JSON: the line ends where {wanted} should follow"),
        }
    }

    fn span(&self, start: usize, end: usize, escaped: bool) -> Span {
        // Lines are limited to far less than 4 GiB.
        Span {
            start: start as u32,
            end: end as u32,
            escaped,
        }
    }

    /// A string, as the part between its quotes.
    fn string(&mut self) -> Result<Span, String> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => (escaped, self.at) = (true, self.at + 2),
                Some(byte) if byte >= 0x20 => self.at += 1,
                _ => return Err(self.unexpected("'\"'")),
            }
        }
        let span = self.span(start, self.at, escaped);
        self.at += 1;
        if escaped && span.text(self.line).is_none() {
            return Err(format!(
                "is not JSON: a wrong escape in the string at byte {start}"
            ));
        }
        Ok(span)
    }

    fn value(&mut self) -> Result<(JsonKind, Span), String> {
        self.blanks();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => return Ok((JsonKind::String, self.string()?)),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                JsonKind::Number
            }
            Some(b'{' | b'[') => {
                self.nested()?;
                JsonKind::Nested
            }
            _ => self.word()?,
        };
        Ok((kind, self.span(start, self.at, false)))
    }

    fn word(&mut self) -> Result<JsonKind, String> {
        let rest = self.line.get(self.at..).unwrap_or_default();
        for (word, kind) in [
            ("null", JsonKind::Null),
            ("true", JsonKind::Bool),
            ("false", JsonKind::Bool),
        ] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(self.unexpected("a value"))
    }

    fn digits(&mut self) -> Result<(), String> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.unexpected("a digit"))
        } else {
            Ok(())
        }
    }

    fn number(&mut self) -> Result<(), String> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _signed = self.eat(b'-') || self.eat(b'+');
            self.digits()?;
        }
        Ok(())
    }

    /// Passes over an array or object: only its brackets and strings matter, it is refused anyway.
    fn nested(&mut self) -> Result<(), String> {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                Some(b'{' | b'[') => (depth, self.at) = (depth + 1, self.at + 1),
                Some(b'}' | b']') => (depth, self.at) = (depth - 1, self.at + 1),
                Some(b'"') => drop(self.string()?),
                Some(_) => self.at += 1,
                None => return Err(self.unexpected("a closing bracket")),
            }
            if depth == 0 {
                return Ok(());
            }
            if depth > DEPTH_MAX {
                return Err(format!("is nested more than {DEPTH_MAX} deep"));
            }
        }
    }
}
