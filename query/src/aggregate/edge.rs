//! The first and the last value.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use gapless_engine::Result;

use super::accumulator::{
    Accumulator, Sequence, Span, grow, input, no_group, outside, same_kind, take_front,
};
use super::native::{array, arrow, natives};
use super::text::{self, Bytes, Held, bytes_held};

/// Arrays of kept rows, before they are put into one.
const CHUNKS_MAX: usize = 64;

/// A time and a rank. Rows that come in order all have the same one.
type Place = (i64, u32);
const NOWHERE: Place = (0, 0);

/// Where the values of groups are kept.
pub(super) trait Store: Send + Sized + 'static {
    /// An array whose rows are kept.
    type Source;
    fn new(of: DataType) -> Self;
    fn grow(&mut self, groups: usize);
    fn open(&mut self, array: &ArrayRef) -> Result<Self::Source>;
    /// Keeps a row; the row is in the array, the group has room.
    fn keep(&mut self, source: &Self::Source, group: u32, row: usize);
    /// After the last row of an array.
    fn close(&mut self, source: Self::Source, array: &ArrayRef, spans: &[Span]) -> Result<()>;
    /// Prepares taking from another.
    fn open_other(&mut self, other: &Self) -> usize;
    fn keep_other(&mut self, other: &Self, offset: usize, group: u32, from: usize);
    fn emit(&mut self, count: usize, there: Vec<bool>) -> Result<ArrayRef>;
    fn bytes(&self) -> usize;
}

/// The values themselves, of a fixed width.
pub(super) struct Values<N> {
    of: DataType,
    values: Vec<N>,
}

impl<N: ArrowNativeType> Store for Values<N> {
    type Source = ScalarBuffer<N>;

    fn new(of: DataType) -> Self {
        let values = Vec::new();
        Self { of, values }
    }

    fn grow(&mut self, groups: usize) {
        grow(&mut self.values, groups, N::default());
    }

    fn open(&mut self, array: &ArrayRef) -> Result<ScalarBuffer<N>> {
        natives(array)
    }

    #[inline(always)]
    fn keep(&mut self, source: &ScalarBuffer<N>, group: u32, row: usize) {
        if let (Some(into), Some(value)) = (self.values.get_mut(group as usize), source.get(row)) {
            *into = *value;
        }
    }

    fn close(&mut self, _: ScalarBuffer<N>, _: &ArrayRef, _: &[Span]) -> Result<()> {
        Ok(())
    }

    fn open_other(&mut self, _: &Self) -> usize {
        0
    }

    fn keep_other(&mut self, other: &Self, _: usize, group: u32, from: usize) {
        if let (Some(into), Some(value)) = (self.values.get_mut(group as usize), other.values.get(from)) {
            *into = *value;
        }
    }

    fn emit(&mut self, count: usize, there: Vec<bool>) -> Result<ArrayRef> {
        array(take_front(&mut self.values, count, N::default()), there, &self.of)
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<N>()
    }
}

/// Text, binary and symbols.
pub(super) struct Texts {
    of: DataType,
    values: Vec<Held>,
}

impl Store for Texts {
    type Source = ArrayRef;

    fn new(of: DataType) -> Self {
        let values = Vec::new();
        Self { of, values }
    }

    fn grow(&mut self, groups: usize) {
        grow(&mut self.values, groups, None);
    }

    fn open(&mut self, array: &ArrayRef) -> Result<ArrayRef> {
        Bytes::of(array).map(|_| Arc::clone(array))
    }

    fn keep(&mut self, source: &ArrayRef, group: u32, row: usize) {
        if let (Some(into), Ok(bytes)) = (self.values.get_mut(group as usize), Bytes::of(source)) {
            let value = bytes.value(row);
            if into.as_deref() != Some(value) {
                *into = Some(value.into());
            }
        }
    }

    fn close(&mut self, _: ArrayRef, _: &ArrayRef, _: &[Span]) -> Result<()> {
        Ok(())
    }

    fn open_other(&mut self, _: &Self) -> usize {
        0
    }

    fn keep_other(&mut self, other: &Self, _: usize, group: u32, from: usize) {
        if let (Some(into), Some(value)) = (self.values.get_mut(group as usize), other.values.get(from)) {
            into.clone_from(value);
        }
    }

    fn emit(&mut self, count: usize, _: Vec<bool>) -> Result<ArrayRef> {
        text::array(&self.of, &take_front(&mut self.values, count, None))
    }

    fn bytes(&self) -> usize {
        bytes_held(&self.values)
    }
}

/// Rows of arrays, of any type.
pub(super) struct Chunks {
    chunks: Vec<ArrayRef>,
    /// Where the row of each group is: chunk and row. The array that is being read is not yet a chunk, its number is the next.
    at: Vec<(usize, usize)>,
}

impl Chunks {
    /// Puts the rows that are still kept into one chunk. The first chunk is a null, for groups without a row.
    fn compact(&mut self) -> Result<()> {
        let chunks: Vec<&dyn Array> = self.chunks.iter().map(AsRef::as_ref).collect();
        let whole = interleave(&chunks, &self.at).map_err(|error| arrow(&error))?;
        let null = self.chunks.first().cloned();
        self.chunks = null.into_iter().chain([whole]).collect();
        for (row, at) in self.at.iter_mut().enumerate() {
            *at = (1, row);
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }
}

impl Store for Chunks {
    type Source = ();

    fn new(of: DataType) -> Self {
        Self {
            chunks: vec![new_null_array(&of, 1)],
            at: Vec::new(),
        }
    }

    fn grow(&mut self, groups: usize) {
        grow(&mut self.at, groups, (0, 0));
    }

    fn open(&mut self, _: &ArrayRef) -> Result<()> {
        Ok(())
    }

    fn keep(&mut self, (): &(), group: u32, row: usize) {
        if let Some(at) = self.at.get_mut(group as usize) {
            *at = (self.chunks.len(), row);
        }
    }

    fn close(&mut self, (): (), array: &ArrayRef, spans: &[Span]) -> Result<()> {
        // The chunk after the one that is made now: which rows have been moved.
        let (open, moved) = (self.chunks.len(), usize::MAX);
        let mut kept: Vec<u32> = Vec::new();
        for span in spans {
            if let Some(at) = self.at.get_mut(span.group as usize)
                && at.0 == open
            {
                let row = kept.len();
                kept.push(at.1 as u32);
                *at = (moved, row);
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        for span in spans {
            if let Some(at) = self.at.get_mut(span.group as usize)
                && at.0 == moved
            {
                at.0 = open;
            }
        }
        let rows = take(array, &UInt32Array::from(kept), None).map_err(|error| arrow(&error))?;
        self.chunks.push(rows);
        if self.chunks.len() > CHUNKS_MAX || self.rows() > 2 * self.at.len() + 1024 {
            self.compact()?;
        }
        Ok(())
    }

    fn open_other(&mut self, other: &Self) -> usize {
        let offset = self.chunks.len();
        self.chunks.extend(other.chunks.iter().cloned());
        offset
    }

    fn keep_other(&mut self, other: &Self, offset: usize, group: u32, from: usize) {
        if let (Some(into), Some(at)) = (self.at.get_mut(group as usize), other.at.get(from)) {
            *into = (offset + at.0, at.1);
        }
    }

    fn emit(&mut self, count: usize, _: Vec<bool>) -> Result<ArrayRef> {
        let at = take_front(&mut self.at, count, (0, 0));
        let chunks: Vec<&dyn Array> = self.chunks.iter().map(AsRef::as_ref).collect();
        let rows = interleave(&chunks, &at).map_err(|error| arrow(&error))?;
        if self.at.is_empty() {
            self.chunks.truncate(1);
        } else {
            self.compact()?;
        }
        Ok(rows)
    }

    fn bytes(&self) -> usize {
        let held: usize = self
            .chunks
            .iter()
            .map(|chunk| chunk.get_array_memory_size())
            .sum();
        held + self.at.capacity() * size_of::<(usize, usize)>()
    }
}

/// The first value, or where `LAST` the last.
pub(super) struct Edge<S, const LAST: bool> {
    store: S,
    there: Vec<bool>,
    /// Empty until a row has a place.
    places: Vec<Place>,
}

impl<S: Store, const LAST: bool> Edge<S, LAST> {
    pub(super) fn new(of: DataType) -> Self {
        Self {
            store: S::new(of),
            there: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Whether a row that comes later takes the place of one that is there.
    #[inline(always)]
    fn wins(place: Place, over: Place) -> bool {
        if LAST { place >= over } else { place < over }
    }

    #[inline(always)]
    fn offer(&mut self, group: u32, place: Place) -> Option<bool> {
        let at = group as usize;
        let there = self.there.get_mut(at)?;
        let wins = !*there
            || match self.places.get(at) {
                Some(over) => Self::wins(place, *over),
                None => LAST,
            };
        *there = true;
        if wins && let Some(over) = self.places.get_mut(at) {
            *over = place;
        }
        Some(wins)
    }

    fn in_order(&mut self, source: &S::Source, nulls: Option<&NullBuffer>, spans: &[Span]) -> Result<()> {
        for span in spans {
            let row = match nulls {
                None if span.start >= span.end => None,
                None if LAST => Some(span.end as usize - 1),
                None => Some(span.start as usize),
                Some(nulls) if LAST => span.rows().rev().find(|row| nulls.is_valid(*row)),
                Some(nulls) => span.rows().find(|row| nulls.is_valid(*row)),
            };
            if let Some(row) = row
                && self.offer(span.group, NOWHERE).ok_or_else(|| outside(*span))?
            {
                self.store.keep(source, span.group, row);
            }
        }
        Ok(())
    }

    fn placed(
        &mut self,
        source: &S::Source,
        nulls: Option<&NullBuffer>,
        spans: &[Span],
        (times, ranks): (&[i64], &[u32]),
    ) -> Result<()> {
        self.places.resize(self.there.len(), NOWHERE);
        for span in spans {
            let (Some(times), Some(ranks)) = (times.get(span.rows()), ranks.get(span.rows())) else {
                return Err(outside(*span));
            };
            let mut best: Option<(Place, usize)> = None;
            for (row, place) in span.rows().zip(times.iter().copied().zip(ranks.iter().copied())) {
                if nulls.is_none_or(|nulls| nulls.is_valid(row))
                    && best.is_none_or(|(over, _)| Self::wins(place, over))
                {
                    best = Some((place, row));
                }
            }
            if let Some((place, row)) = best
                && self.offer(span.group, place).ok_or_else(|| outside(*span))?
            {
                self.store.keep(source, span.group, row);
            }
        }
        Ok(())
    }
}

impl<S: Store, const LAST: bool> Accumulator for Edge<S, LAST> {
    fn grow(&mut self, groups: usize) {
        self.store.grow(groups);
        grow(&mut self.there, groups, false);
        if !self.places.is_empty() {
            grow(&mut self.places, groups, NOWHERE);
        }
    }

    fn update(&mut self, inputs: &[ArrayRef], spans: &[Span], sequence: &Sequence<'_>) -> Result<()> {
        let array = input(inputs, 0)?;
        let len = array.len();
        if let Some(span) = spans.iter().find(|span| span.end as usize > len) {
            return Err(outside(*span));
        }
        let source = self.store.open(array)?;
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        match sequence {
            Sequence::InOrder => self.in_order(&source, nulls.as_ref(), spans)?,
            Sequence::Placed { times, ranks } => {
                self.placed(&source, nulls.as_ref(), spans, (times, ranks))?;
            }
        }
        self.store.close(source, array, spans)
    }

    fn merge(&mut self, other: Box<dyn Accumulator>, groups: &[u32]) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        if !other.places.is_empty() {
            self.places.resize(self.there.len(), NOWHERE);
        }
        let offset = self.store.open_other(&other.store);
        for (from, (there, group)) in other.there.iter().zip(groups).enumerate() {
            let place = other.places.get(from).copied().unwrap_or(NOWHERE);
            if *there && self.offer(*group, place).ok_or_else(|| no_group(*group))? {
                self.store.keep_other(&other.store, offset, *group, from);
            }
        }
        Ok(())
    }

    fn emit(&mut self, count: usize) -> Result<ArrayRef> {
        let there = take_front(&mut self.there, count, false);
        if !self.places.is_empty() {
            take_front(&mut self.places, count, NOWHERE);
        }
        self.store.emit(count, there)
    }

    fn bytes(&self) -> usize {
        self.store.bytes() + self.there.capacity() + self.places.capacity() * size_of::<Place>()
    }
}
