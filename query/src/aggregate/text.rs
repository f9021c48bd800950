//! Text, binary and symbols as bytes; the least and the greatest of them.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder, StringDictionaryBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, BinaryArray, StringArray, UInt32Array};
use arrow_schema::DataType;
use gapless_engine::{Error, Result};

use super::accumulator::{
    Accumulator, Sequence, Span, grow, input, no_group, outside, same_kind, take_front,
};

/// An array whose values are bytes, in the order of bytes.
pub(super) enum Bytes<'a> {
    /// Text.
    Text(&'a StringArray),
    /// Binary.
    Binary(&'a BinaryArray),
    /// Symbols: codes and their text.
    Symbols(&'a UInt32Array, &'a StringArray),
}

impl<'a> Bytes<'a> {
    pub(super) fn of(array: &'a ArrayRef) -> Result<Self> {
        let bytes = match array.data_type() {
            DataType::Utf8 => array.as_string_opt().map(Self::Text),
            DataType::Binary => array.as_binary_opt().map(Self::Binary),
            _ => array.as_dictionary_opt::<UInt32Type>().and_then(|symbols| {
                let texts = symbols.values().as_string_opt()?;
                Some(Self::Symbols(symbols.keys(), texts))
            }),
        };
        bytes.ok_or_else(|| Error::internal(format!("an aggregate of text was given {}", array.data_type())))
    }

    /// The value of a row that is there and not null.
    #[inline]
    pub(super) fn value(&self, row: usize) -> &'a [u8] {
        match self {
            Self::Text(texts) => texts.value(row).as_bytes(),
            Self::Binary(values) => values.value(row),
            Self::Symbols(codes, texts) => texts.value(codes.value(row) as usize).as_bytes(),
        }
    }

    fn same(&self, row: usize, other: usize) -> bool {
        matches!(self, Self::Symbols(codes, _) if codes.value(row) == codes.value(other))
    }
}

/// Bytes of a group, if there are any.
pub(super) type Held = Option<Box<[u8]>>;

/// An array of bytes. The dictionary of symbols has those that occur.
pub(super) fn array(of: &DataType, values: &[Held]) -> Result<ArrayRef> {
    let texts = values.iter().map(|value| {
        let text = value.as_deref().map(std::str::from_utf8).transpose();
        text.map_err(|_| Error::internal("the result of an aggregate of texts is no UTF-8"))
    });
    Ok(match of {
        DataType::Binary => {
            let mut array = BinaryBuilder::new();
            values
                .iter()
                .for_each(|value| array.append_option(value.as_deref()));
            Arc::new(array.finish())
        }
        DataType::Utf8 => {
            let mut array = StringBuilder::new();
            for text in texts {
                array.append_option(text?);
            }
            Arc::new(array.finish())
        }
        _ => {
            let mut array = StringDictionaryBuilder::<UInt32Type>::new();
            for text in texts {
                array.append_option(text?);
            }
            Arc::new(array.finish())
        }
    })
}

/// Bytes that are held, about.
pub(super) fn bytes_held(values: &[Held]) -> usize {
    let held: usize = values.iter().flatten().map(|value| value.len()).sum();
    held + size_of_val(values)
}

/// The least text, or the greatest.
pub(super) struct TextExtreme {
    of: DataType,
    max: bool,
    best: Vec<Held>,
}

impl TextExtreme {
    pub(super) const fn new(of: DataType, max: bool) -> Self {
        Self {
            of,
            max,
            best: Vec::new(),
        }
    }

    fn better(&self, one: &[u8], other: &[u8]) -> bool {
        if self.max { one > other } else { one < other }
    }

    fn take(&mut self, group: u32, value: &[u8]) -> Result<()> {
        let best = self.best.get(group as usize).ok_or_else(|| no_group(group))?;
        if best.as_ref().is_none_or(|best| self.better(value, best))
            && let Some(best) = self.best.get_mut(group as usize)
        {
            *best = Some(value.into());
        }
        Ok(())
    }
}

impl Accumulator for TextExtreme {
    fn grow(&mut self, groups: usize) {
        grow(&mut self.best, groups, None);
    }

    fn update(&mut self, inputs: &[ArrayRef], spans: &[Span], _: &Sequence<'_>) -> Result<()> {
        let array = input(inputs, 0)?;
        let nulls = array.logical_nulls();
        let bytes = Bytes::of(array)?;
        for span in spans {
            if span.end as usize > array.len() {
                return Err(outside(*span));
            }
            let mut best: Option<usize> = None;
            for row in span.rows() {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    continue;
                }
                let wins =
                    |best: usize| !bytes.same(row, best) && self.better(bytes.value(row), bytes.value(best));
                if best.is_none_or(wins) {
                    best = Some(row);
                }
            }
            if let Some(best) = best {
                self.take(span.group, bytes.value(best))?;
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>, groups: &[u32]) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        for (best, group) in other.best.iter().zip(groups) {
            if let Some(best) = best {
                self.take(*group, best)?;
            }
        }
        Ok(())
    }

    fn emit(&mut self, count: usize) -> Result<ArrayRef> {
        let best = take_front(&mut self.best, count, None);
        array(&self.of, &best)
    }

    fn bytes(&self) -> usize {
        bytes_held(&self.best)
    }
}
