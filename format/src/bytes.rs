//! Little-endian bytes: an append-only writer and a checked cursor.
//!
//! - Every read is checked against what is left and names the field it was reading.
//! - A count read through [`Reader::count`] cannot exceed what the remaining bytes could hold, so
//!   it is safe to reserve memory for it.

use crate::error::FormatError;

/// Appends little-endian values to a byte vector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer {
    bytes: Vec<u8>,
}

/// Reads little-endian values from a slice, with every bound checked.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    base: u64,
}

macro_rules! integers {
    ($($name:ident),*) => {
        impl Writer {
            $(
                #[doc = concat!("Appends one `", stringify!($name), "`.")]
                #[inline]
                pub fn $name(&mut self, value: $name) {
                    self.bytes.extend_from_slice(&value.to_le_bytes());
                }
            )*
        }

        impl<'a> Reader<'a> {
            $(
                #[doc = concat!("Reads one `", stringify!($name), "`, the field `what`.")]
                ///
                /// # Errors
                /// `Corrupt` when the input ends before it.
                #[inline]
                pub fn $name(&mut self, what: &str) -> Result<$name, FormatError> {
                    match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
                        Some(chunk) => {
                            self.at += chunk.len();
                            Ok($name::from_le_bytes(*chunk))
                        }
                        None => Err(self.short(what, size_of::<$name>())),
                    }
                }
            )*
        }
    };
}

integers!(u8, i8, u16, u32, u64, i64, u128, i128);

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty writer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
        }
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends bytes one by one.
    #[inline]
    pub fn extend(&mut self, bytes: impl Iterator<Item = u8>) {
        self.bytes.extend(bytes);
    }

    /// Appends `count` zero bytes.
    pub fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count, 0);
    }

    /// Appends a number of things as a u32.
    ///
    /// # Panics
    /// When there are 2^32 things or more: no structure of the format is that large.
    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).expect("a count is below 2^32"));
    }

    /// Appends a u32 length and the bytes.
    ///
    /// # Panics
    /// When there are 2^32 bytes or more.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    /// Appends a u32 length and the UTF-8 bytes.
    ///
    /// # Panics
    /// When there are 2^32 bytes or more.
    pub fn string(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Appends 1 or 0.
    pub fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// Appends an id, or `u32::MAX` for none.
    pub fn optional_id(&mut self, id: Option<u32>) {
        self.u32(id.unwrap_or(u32::MAX));
    }

    /// Overwrites four bytes written before, at `at`.
    pub(crate) fn patch_u32(&mut self, at: usize, value: u32) {
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Overwrites eight bytes written before, at `at`.
    pub(crate) fn patch_u64(&mut self, at: usize, value: u64) {
        if let Some(place) = self.bytes.get_mut(at..at + 8) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// What was written.
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes
    }
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::with_base(bytes, 0)
    }

    /// A cursor whose offsets count from `base`: the place of `bytes` in its file.
    pub fn with_base(bytes: &'a [u8], base: u64) -> Self {
        Self { bytes, at: 0, base }
    }

    /// Where the next read begins, counted from the base.
    pub fn offset(&self) -> u64 {
        self.base.saturating_add(self.at as u64)
    }

    /// Bytes left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `len` bytes, the field `what`.
    ///
    /// # Errors
    /// `Corrupt` when fewer are left.
    #[inline]
    pub fn raw(&mut self, len: usize, what: &str) -> Result<&'a [u8], FormatError> {
        let end = self.at.checked_add(len);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => Err(self.short(what, len)),
        }
    }

    /// A u32 count of things that take at least `min_bytes_each` each; refused when the rest of the input
    /// could not hold them.
    ///
    /// # Errors
    /// `Corrupt` when the count is larger than the remaining bytes allow.
    pub fn count(&mut self, min_bytes_each: usize, what: &str) -> Result<usize, FormatError> {
        let offset = self.offset();
        let count = self.u32(what)? as usize;
        let most = self.remaining() / min_bytes_each.max(1);
        if count > most {
            return Err(FormatError::corrupt(
                offset,
                format!("{what}: found {count}, expected at most {most} in the bytes that follow"),
            ));
        }
        Ok(count)
    }

    /// Bytes behind their u32 length.
    ///
    /// # Errors
    /// `Corrupt` when the length is larger than what follows.
    pub fn bytes(&mut self, what: &str) -> Result<&'a [u8], FormatError> {
        let len = self.count(1, what)?;
        self.raw(len, what)
    }

    /// UTF-8 text behind its u32 length.
    ///
    /// # Errors
    /// `Corrupt` when the length is larger than what follows, or the bytes are not UTF-8.
    pub fn string(&mut self, what: &str) -> Result<&'a str, FormatError> {
        let bytes = self.bytes(what)?;
        let start = self.offset() - bytes.len() as u64;
        std::str::from_utf8(bytes).map_err(|error| {
            let offset = start.saturating_add(error.valid_up_to() as u64);
            FormatError::corrupt(offset, format!("{what}: found bytes that are not UTF-8"))
        })
    }

    /// One byte that must be 0 or 1.
    ///
    /// # Errors
    /// `Corrupt` for any other byte.
    pub fn bool(&mut self, what: &str) -> Result<bool, FormatError> {
        let offset = self.offset();
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(FormatError::corrupt(
                offset,
                format!("{what}: found {found}, expected 0 or 1"),
            )),
        }
    }

    /// An id, `u32::MAX` being none.
    ///
    /// # Errors
    /// `Corrupt` when the input ends before it.
    pub fn optional_id(&mut self, what: &str) -> Result<Option<u32>, FormatError> {
        Ok(Some(self.u32(what)?).filter(|&id| id != u32::MAX))
    }

    /// One byte that selects from a closed set.
    ///
    /// # Errors
    /// `Unsupported` for a byte outside the set: a newer version may have added it.
    pub fn tag<T>(&mut self, from_tag: impl FnOnce(u8) -> Option<T>, what: &str) -> Result<T, FormatError> {
        let offset = self.offset();
        let tag = self.u8(what)?;
        from_tag(tag).ok_or_else(|| {
            FormatError::unsupported(
                offset,
                format!("{what}: found tag {tag}, which this version does not know"),
            )
        })
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// `Corrupt` when bytes are left.
    pub fn finish(&self, what: &str) -> Result<(), FormatError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(FormatError::corrupt(
                self.offset(),
                format!("{what}: found {left} bytes after its end, expected none"),
            )),
        }
    }

    #[cold]
    fn short(&self, what: &str, needed: usize) -> FormatError {
        FormatError::torn(self.offset(), what, needed as u64, self.remaining() as u64)
    }
}

/// Gives an enum without fields its stored one-byte tags.
macro_rules! tags {
    ($type:ident { $($variant:ident = $tag:literal),* $(,)? }) => {
        impl $type {
            /// Every value, in the order of its tags.
            pub const ALL: &'static [$type] = &[$($type::$variant),*];

            /// The byte that stands for it in stored structures.
            pub const fn tag(self) -> u8 {
                match self { $($type::$variant => $tag),* }
            }

            /// The value that `tag` stands for, if this version knows it.
            pub const fn from_tag(tag: u8) -> Option<Self> {
                match tag { $($tag => Some($type::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use tags;
