//! Text under construction: plain strings, and symbols as codes of a dictionary.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use arrow_array::{ArrayRef, BinaryArray, DictionaryArray, StringArray, UInt32Array};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use crate::error::BadValue;

/// Strings end to end, with their offsets. A batch is cut long before its text reaches 2 GiB.
pub(crate) struct Strings {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl Strings {
    pub(crate) fn new() -> Self {
        Strings {
            offsets: vec![0],
            bytes: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.offsets
            .push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
    }

    pub(crate) fn truncate(&mut self, count: usize) {
        self.offsets.truncate(count + 1);
        let end = self.offsets.last().copied().unwrap_or(0);
        self.bytes.truncate(usize::try_from(end).unwrap_or(0));
    }

    fn parts(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        let done = std::mem::replace(self, Strings::new());
        (
            OffsetBuffer::new(ScalarBuffer::from(done.offsets)),
            Buffer::from_vec(done.bytes),
        )
    }

    pub(crate) fn finish_utf8(&mut self, nulls: Option<NullBuffer>) -> Result<StringArray, ArrowError> {
        let (offsets, bytes) = self.parts();
        StringArray::try_new(offsets, bytes, nulls)
    }

    pub(crate) fn finish_binary(&mut self, nulls: Option<NullBuffer>) -> Result<BinaryArray, ArrowError> {
        let (offsets, bytes) = self.parts();
        BinaryArray::try_new(offsets, bytes, nulls)
    }
}

/// `text` as UTF-8.
pub(crate) fn checked(text: &[u8]) -> Result<&str, BadValue> {
    std::str::from_utf8(text).map_err(|_| {
        BadValue::new("is not UTF-8 text").hint("convert the file first (iconv -f LATIN1 -t UTF-8)")
    })
}

/// Symbols of one batch: a code per row, each distinct text once.
pub(crate) struct Symbols {
    codes: Vec<u32>,
    known: HashMap<Box<[u8]>, u32, Seed>,
    texts: Strings,
    /// The text of the last row: runs of one symbol are the rule.
    last: Vec<u8>,
    last_code: Option<u32>,
}

impl Symbols {
    pub(crate) fn new() -> Self {
        Symbols {
            codes: Vec::new(),
            known: HashMap::with_hasher(Seed::new()),
            texts: Strings::new(),
            last: Vec::new(),
            last_code: None,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, text: &[u8]) -> Result<(), BadValue> {
        let code = match self.last_code {
            Some(code) if self.last == text => code,
            _ => self.code(text)?,
        };
        self.codes.push(code);
        Ok(())
    }

    fn code(&mut self, text: &[u8]) -> Result<u32, BadValue> {
        let code = match self.known.get(text) {
            Some(code) => *code,
            None => {
                checked(text)?;
                let code = self.known.len() as u32;
                self.known.insert(text.into(), code);
                self.texts.push(text);
                code
            }
        };
        self.last.clear();
        self.last.extend_from_slice(text);
        self.last_code = Some(code);
        Ok(code)
    }

    /// A row whose code is masked by a null.
    pub(crate) fn push_null(&mut self) {
        self.codes.push(0);
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        self.codes.truncate(rows);
    }

    pub(crate) fn finish(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let done = std::mem::replace(self, Symbols::new());
        let mut texts = done.texts;
        let codes = UInt32Array::try_new(ScalarBuffer::from(done.codes), nulls)?;
        let values = texts.finish_utf8(None)?;
        Ok(std::sync::Arc::new(DictionaryArray::try_new(
            codes,
            std::sync::Arc::new(values),
        )?))
    }
}

/// A cheap hash for short texts, seeded so that no file can be built to collide.
struct Seed(u64);

impl Seed {
    fn new() -> Self {
        Seed(RandomState::new().hash_one(0u8) | 1)
    }
}

impl BuildHasher for Seed {
    type Hasher = Mix;

    fn build_hasher(&self) -> Mix {
        Mix {
            state: self.0,
            seed: self.0,
        }
    }
}

struct Mix {
    state: u64,
    seed: u64,
}

impl Mix {
    fn add(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.seed ^ 0x9E37_79B9_7F4A_7C15);
        self.state = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk
                .iter()
                .rev()
                .fold(0u64, |word, byte| word << 8 | u64::from(*byte));
            self.add(word);
        }
    }

    fn write_usize(&mut self, value: usize) {
        self.add(value as u64);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}
