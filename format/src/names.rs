//! Names of tables, domains and columns as safe file names, and back.
//!
//! `A-Z a-z 0-9 _ - .` stay, except a leading and a trailing dot; every other UTF-8 byte becomes `%XX`
//! (upper-case hexadecimal). The mapping is injective: two names never share a file.

/// Longest file name after encoding: 255 bytes less room for an extension.
pub const FILE_NAME_LEN_MAX: usize = 255 - 16;

/// A name that cannot become a file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No characters.
    #[error("the name is empty; give it at least one character")]
    Empty,
    /// A NUL or another control character.
    #[error("the name {name:?} holds the control character {character:?} at byte {at}; remove it")]
    Control {
        /// The name.
        name: String,
        /// The character.
        character: char,
        /// Its position in bytes.
        at: usize,
    },
    /// Too long once encoded.
    #[error(
        "the name {start:?}... takes {len} bytes as a file name (characters outside A-Z a-z 0-9 _ - . take three per byte), \
         the limit is {FILE_NAME_LEN_MAX}; shorten it"
    )]
    TooLong {
        /// The first characters of the name.
        start: String,
        /// Its length as a file name.
        len: usize,
    },
}

/// The file name of `name`, without an extension.
///
/// ```
/// assert_eq!(gapless_format::file_name("trade").unwrap(), "trade");
/// assert_eq!(gapless_format::file_name("../€").unwrap(), "%2E.%2F%E2%82%AC");
/// assert_eq!(gapless_format::decode_file_name("%2E.%2F%E2%82%AC").unwrap(), "../€");
/// ```
///
/// # Errors
/// An empty name, a control character, or more than 239 bytes after encoding.
pub fn file_name(name: &str) -> Result<String, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if let Some((at, character)) = name.char_indices().find(|(_, character)| character.is_control()) {
        return Err(NameError::Control {
            name: name.chars().take(64).collect(),
            character,
            at,
        });
    }
    let len = encoded_len(name);
    if len > FILE_NAME_LEN_MAX {
        return Err(NameError::TooLong {
            start: name.chars().take(32).collect(),
            len,
        });
    }
    Ok(encode(name, len))
}

/// The name whose file name is `file_name`, or `None` when no name maps to it.
pub fn decode_file_name(file_name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(file_name.len());
    let mut rest = file_name.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let (digits, tail) = tail.split_first_chunk::<2>()?;
        bytes.push(hex(digits[0])? << 4 | hex(digits[1])?);
        rest = tail;
    }
    let name = String::from_utf8(bytes).ok()?;
    // Only the one spelling that `file_name` gives: `%41` is not another file for `A`.
    (self::file_name(&name).ok()? == file_name).then_some(name)
}

/// Whether the byte at `at` of a name of `len` bytes stays as it is.
fn stays(byte: u8, at: usize, len: usize) -> bool {
    match byte {
        b'.' => at != 0 && at + 1 != len,
        b'_' | b'-' => true,
        _ => byte.is_ascii_alphanumeric(),
    }
}

fn encoded_len(name: &str) -> usize {
    let bytes = name.bytes().enumerate();
    bytes
        .map(|(at, byte)| if stays(byte, at, name.len()) { 1 } else { 3 })
        .sum()
}

fn encode(name: &str, len: usize) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(len);
    for (at, byte) in name.bytes().enumerate() {
        if stays(byte, at, name.len()) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    encoded
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
