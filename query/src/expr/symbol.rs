//! Parts that read one symbol column and nothing else: computed once for each symbol of a dictionary.
//!
//! The answer for the last dictionary is kept, so that the rows of a scan, whose batches share one, cost a look into a table each.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, new_null_array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_cast::cast;
use arrow_schema::DataType;
use arrow_select::concat::concat;
use arrow_select::take::take;

use super::bits::Bits;
use super::feed::chunks;
use super::node::{Error, Node, Operand, Result, Rows, failed};

/// A part, bound to a single column of the dictionary's values.
pub(super) struct PerSymbol {
    column: usize,
    inner: Box<Node>,
    last: Mutex<Option<Answer>>,
    #[cfg(test)]
    evaluated: std::sync::atomic::AtomicUsize,
}

/// What the part is for every symbol, and for null after them.
#[derive(Clone)]
struct Answer {
    /// Kept, so that no other dictionary can come to lie where it lies.
    symbols: ArrayRef,
    values: ArrayRef,
    /// For conditions: the lowest bit is the truth, the next whether it is known.
    flags: Option<Arc<[u8]>>,
}

const KNOWN: u8 = 2;

impl PerSymbol {
    pub(super) fn new(column: usize, inner: Node) -> Self {
        Self {
            column,
            inner: Box::new(inner),
            last: Mutex::new(None),
            #[cfg(test)]
            evaluated: std::sync::atomic::AtomicUsize::new(0),
        }
    }

    pub(super) fn inner(&self) -> &Node {
        &self.inner
    }

    pub(super) fn column(&self) -> usize {
        self.column
    }

    /// How many dictionaries were answered.
    #[cfg(test)]
    pub(super) fn evaluated(&self) -> usize {
        self.evaluated.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(super) fn evaluate(&self, rows: &Rows<'_>) -> Result<Operand> {
        let column = rows.columns.get(self.column);
        let dictionary = column.and_then(|column| column.as_any_dictionary_opt());
        let (Some(column), Some(dictionary)) = (column, dictionary) else {
            return Err(Error::internal(format!(
                "column {} of the batch holds no symbols",
                self.column
            )));
        };
        match self.answer(dictionary.values()) {
            Ok(answer) => answer.of_rows(dictionary.keys()).map(Operand::rows),
            // Some symbol has no answer. It is an error only if a row has that symbol.
            Err(_) => {
                let text = cast(column, dictionary.values().data_type()).map_err(failed)?;
                self.inner.evaluate(&Rows {
                    columns: &[text],
                    len: rows.len,
                })
            }
        }
    }

    fn answer(&self, symbols: &ArrayRef) -> Result<Answer> {
        let same = |answer: &&Answer| Arc::ptr_eq(&answer.symbols, symbols);
        let kept = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .filter(same)
            .cloned();
        if let Some(answer) = kept {
            return Ok(answer);
        }
        #[cfg(test)]
        self.evaluated.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let null = new_null_array(symbols.data_type(), 1);
        let column = concat(&[symbols.as_ref(), null.as_ref()]).map_err(failed)?;
        let len = column.len();
        let rows = Rows {
            columns: &[column],
            len,
        };
        let values = self.inner.evaluate(&rows)?.into_rows(len)?;
        let answer = Answer {
            symbols: Arc::clone(symbols),
            flags: values.as_boolean_opt().map(flags),
            values,
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.clone());
        Ok(answer)
    }
}

fn flags(values: &BooleanArray) -> Arc<[u8]> {
    let flag = |value: Option<bool>| value.map_or(0, |value| KNOWN | u8::from(value));
    values.iter().map(flag).collect()
}

impl Answer {
    fn of_rows(&self, keys: &dyn Array) -> Result<ArrayRef> {
        let codes = cast(keys, &DataType::UInt32).map_err(failed)?;
        let codes = codes.as_primitive::<arrow_array::types::UInt32Type>();
        let codes = self.with_null(codes);
        let Some(flags) = &self.flags else {
            return take(&self.values, &codes, None).map_err(failed);
        };
        let known = flags
            .iter()
            .any(|flag| flag & KNOWN == 0)
            .then(|| look_up(flags, &codes, KNOWN));
        let truth = look_up(flags, &codes, 1);
        Ok(Arc::new(BooleanArray::new(truth, known.map(NullBuffer::new))))
    }

    /// Codes in which null is the one after the last.
    fn with_null(&self, codes: &UInt32Array) -> UInt32Array {
        if codes.null_count() == 0 {
            return codes.clone();
        }
        let null = u32::try_from(self.symbols.len()).unwrap_or(u32::MAX);
        codes
            .iter()
            .map(|code| code.unwrap_or(null))
            .collect::<Vec<_>>()
            .into()
    }
}

fn look_up(flags: &[u8], codes: &UInt32Array, bit: u8) -> BooleanBuffer {
    let mut bits = Bits::with_capacity(codes.len());
    for (start, len) in chunks(codes.len()) {
        let codes = &codes.values()[start..start + len];
        bits.extend(codes, codes, |code, _| {
            flags.get(code as usize).is_some_and(|flag| flag & bit != 0)
        });
    }
    bits.finish()
}
