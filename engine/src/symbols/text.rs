//! The symbols of a domain in memory: one run of bytes, the end of each symbol, and a hash index made on demand.

use arrow_array::StringArray;
use arrow_array::builder::StringBuilder;
use gapless_format::NULL_CODE;
use hashbrown::HashTable;

use crate::error::{Error, Result};

/// Lookups that are answered by reading all symbols before the hash index is built.
const SCANS_MAX: usize = 8;

/// Symbols by code.
#[derive(Debug, Default)]
pub(crate) struct SymbolText {
    bytes: String,
    ends: Vec<u32>,
    index: Option<HashTable<u32>>,
    scans: usize,
}

impl SymbolText {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of memory in use.
    pub(crate) fn memory_bytes(&self) -> usize {
        let index = self
            .index
            .as_ref()
            .map_or(0, |index| index.capacity() * 8 / 7 * 5);
        self.bytes.capacity() + self.ends.capacity() * 4 + index
    }

    /// The symbol of a code.
    pub(crate) fn get(&self, code: u32) -> Option<&str> {
        let at = usize::try_from(code).ok()?;
        let end = *self.ends.get(at)?;
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        self.bytes.get(start as usize..end as usize)
    }

    /// Appends symbols. They must be new.
    pub(crate) fn push<'a>(&mut self, symbols: impl Iterator<Item = &'a str>) -> Result<()> {
        for symbol in symbols {
            let end = u32::try_from(self.bytes.len() + symbol.len()).map_err(|_| {
                Error::invalid(
                    "a symbol domain holds at most 4 GiB of text: use a utf8 column instead".to_owned(),
                )
            })?;
            let code = u32::try_from(self.ends.len())
                .ok()
                .filter(|code| *code != NULL_CODE)
                .ok_or_else(|| {
                    Error::invalid(
                        "a symbol domain holds at most 4,294,967,294 symbols: use a utf8 column".to_owned(),
                    )
                })?;
            self.bytes.push_str(symbol);
            self.ends.push(end);
            if let Some(mut index) = self.index.take() {
                index.insert_unique(hash(symbol), code, |code| self.hash_of(*code));
                self.index = Some(index);
            }
        }
        Ok(())
    }

    /// Appends a run of symbols given as text and ends relative to its beginning.
    pub(crate) fn extend(&mut self, text: &str, ends: impl Iterator<Item = u32>) -> Result<()> {
        let base = u32::try_from(self.bytes.len()).ok();
        let fits = u32::try_from(self.bytes.len() + text.len()).is_ok();
        let (Some(base), true) = (base, fits) else {
            return Err(Error::corrupt(
                "a symbol file holds more than 4 GiB of text".to_owned(),
            ));
        };
        let first = self.ends.len();
        self.bytes.push_str(text);
        self.ends.extend(ends.map(|end| base + end));
        if let Some(mut index) = self.index.take() {
            for at in first..self.ends.len() {
                let code = u32::try_from(at).unwrap_or(NULL_CODE);
                index.insert_unique(self.hash_of(code), code, |code| self.hash_of(*code));
            }
            self.index = Some(index);
        }
        Ok(())
    }

    /// The code of a symbol, with the hash index.
    pub(crate) fn find(&self, symbol: &str) -> Option<u32> {
        match &self.index {
            Some(index) => index
                .find(hash(symbol), |code| self.get(*code) == Some(symbol))
                .copied(),
            None => self.scan(symbol),
        }
    }

    pub(crate) fn is_indexed(&self) -> bool {
        self.index.is_some()
    }

    /// Whether enough was looked up for the hash index to pay.
    pub(crate) fn wants_index(&mut self, lookups: usize) -> bool {
        self.scans = self.scans.saturating_add(lookups);
        self.index.is_none() && (self.len() < 4096 || self.scans > SCANS_MAX)
    }

    /// Builds the hash index.
    pub(crate) fn build_index(&mut self) {
        let mut index = HashTable::with_capacity(self.len());
        for at in 0..self.len() {
            let code = u32::try_from(at).unwrap_or(NULL_CODE);
            index.insert_unique(self.hash_of(code), code, |code| self.hash_of(*code));
        }
        self.index = Some(index);
    }

    fn scan(&self, symbol: &str) -> Option<u32> {
        let mut start = 0;
        for (at, end) in self.ends.iter().enumerate() {
            let end = *end as usize;
            if end - start == symbol.len() && self.bytes.as_bytes().get(start..end) == Some(symbol.as_bytes())
            {
                return u32::try_from(at).ok();
            }
            start = end;
        }
        None
    }

    fn hash_of(&self, code: u32) -> u64 {
        hash(self.get(code).unwrap_or_default())
    }

    /// The symbols of some codes as an Arrow array, in the order of the codes.
    pub(crate) fn array(&self, codes: impl ExactSizeIterator<Item = u32>) -> Result<StringArray> {
        let mut builder = StringBuilder::with_capacity(codes.len(), codes.len() * 8);
        for code in codes {
            let symbol = self.get(code).ok_or_else(|| {
                Error::corrupt(format!(
                    "code {code} is not in its symbol domain, which has {} symbols",
                    self.len()
                ))
            })?;
            builder.append_value(symbol);
        }
        Ok(builder.finish())
    }
}

fn hash(symbol: &str) -> u64 {
    gapless_format::checksum(symbol.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_agree_with_and_without_the_index() {
        let mut text = SymbolText::default();
        text.push(["", "AAPL", "é/..", "a\0b"].into_iter())
            .expect("four symbols fit");
        for indexed in [false, true] {
            if indexed {
                text.build_index();
            }
            assert_eq!(text.find(""), Some(0));
            assert_eq!(text.find("é/.."), Some(2));
            assert_eq!(text.find("a\0b"), Some(3));
            assert_eq!(text.find("AAP"), None);
            assert_eq!(text.get(1), Some("AAPL"));
            assert_eq!(text.get(4), None);
        }
        text.push(["new"].into_iter()).expect("one more fits");
        assert_eq!(text.find("new"), Some(4));
    }
}
