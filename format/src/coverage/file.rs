//! A coverage file: ranges by series and interval, one column behind the other.
//!
//! - The ranges of a key ascend and do not overlap; keys ascend.
//! - The columns that gaps are computed from (start, end, state) lie apart from the provenance.
//! - [`CoverageFile::parse`] checks everything once, so reading a key afterwards cannot fail.

use super::range::{CoverageState, EVERY_INTERVAL, decode_interval, decode_series};
use crate::bytes::{Reader, Writer};
use crate::checksum::{seal, unseal};
use crate::error::FormatError;
use crate::vector::HEADER_LEN;
use crate::version::{read_prelude, write_prelude};
use std::collections::HashMap;
use std::ops::Range;

/// The first eight bytes of a coverage file.
pub const COVERAGE_MAGIC: &[u8; 8] = b"GAPLCOV\0";

/// Bytes of a key.
const KEY_LEN: usize = 24;
/// Widths of the columns of a range, in their order.
const WIDTHS: [usize; 10] = [8, 8, 8, 8, 8, 8, 8, 4, 4, 1];

/// What a range is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CoverageKey {
    /// Code of the series; `None` for every series of the table, or for a table without series.
    pub series: Option<u32>,
    /// Grid step in nanoseconds, 0 for none; `None` for every interval.
    pub interval: Option<i64>,
}

/// A range of a coverage file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoverageRecord<'a> {
    /// First time.
    pub start: i64,
    /// First time after it.
    pub end: i64,
    /// What is known.
    pub state: CoverageState,
    /// Commit time of the oldest statement in it; `i64::MIN` for that of the file.
    pub first_commit: i64,
    /// Commit time of the newest one; `i64::MIN` for that of the file.
    pub commit: i64,
    /// Rows that the source gave; `None` when that is not known.
    pub rows: Option<u64>,
    /// Sum of their checksums.
    pub content: u64,
    /// When the newest of them were fetched.
    pub fetched_at: i64,
    /// Who said so.
    pub source: &'a str,
    /// The newest batch.
    pub batch: &'a str,
}

/// The bytes of a coverage file.
///
/// Keys and ranges come in their order; keys without ranges are left out.
///
/// # Panics
/// When there are 2^32 keys or texts.
pub fn encode_coverage_file(
    database: u128,
    file: u64,
    keys: &[(CoverageKey, Vec<CoverageRecord<'_>>)],
) -> Vec<u8> {
    let keys: Vec<_> = keys.iter().filter(|(_, ranges)| !ranges.is_empty()).collect();
    let ranges: Vec<&CoverageRecord<'_>> = keys.iter().flat_map(|(_, ranges)| ranges).collect();
    let (texts, ids) = texts(&ranges);
    let mut writer = Writer::with_capacity(HEADER_LEN + keys.len() * KEY_LEN + ranges.len() * 65);
    write_prelude(&mut writer, COVERAGE_MAGIC);
    writer.count(keys.len());
    writer.u128(database);
    writer.u64(file);
    writer.u64(ranges.len() as u64);
    writer.count(texts.len());
    writer.count(texts.iter().map(|text| text.len()).sum());
    writer.zeros(HEADER_LEN - writer.len());
    let mut end = 0;
    for (key, ranges) in &keys {
        end += ranges.len() as u64;
        writer.u32(key.series.unwrap_or(u32::MAX));
        writer.bool(key.series.is_some());
        writer.zeros(3);
        writer.i64(key.interval.unwrap_or(EVERY_INTERVAL));
        writer.u64(end);
    }
    ranges.iter().for_each(|range| writer.i64(range.start));
    ranges.iter().for_each(|range| writer.i64(range.end));
    ranges.iter().for_each(|range| writer.i64(range.first_commit));
    ranges.iter().for_each(|range| writer.i64(range.commit));
    ranges
        .iter()
        .for_each(|range| writer.u64(range.rows.unwrap_or(u64::MAX)));
    ranges.iter().for_each(|range| writer.u64(range.content));
    ranges.iter().for_each(|range| writer.i64(range.fetched_at));
    let id = |text: &str| ids.get(text).copied().unwrap_or_default();
    ranges.iter().for_each(|range| writer.u32(id(range.source)));
    ranges.iter().for_each(|range| writer.u32(id(range.batch)));
    ranges.iter().for_each(|range| writer.u8(range.state.tag()));
    let mut end = 0;
    for text in &texts {
        end += text.len() as u32;
        writer.u32(end);
    }
    texts.iter().for_each(|text| writer.raw(text.as_bytes()));
    seal(writer)
}

/// The distinct texts, and the number of each.
fn texts<'a>(ranges: &[&CoverageRecord<'a>]) -> (Vec<&'a str>, HashMap<&'a str, u32>) {
    let (mut texts, mut ids) = (Vec::new(), HashMap::new());
    for text in ranges.iter().flat_map(|range| [range.source, range.batch]) {
        ids.entry(text).or_insert_with(|| {
            texts.push(text);
            texts.len() as u32 - 1
        });
    }
    (texts, ids)
}

/// Where everything lies in a coverage file that was checked. The bytes are given to each call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageFile {
    database: u128,
    file: u64,
    keys: Vec<(CoverageKey, Range<usize>)>,
    /// Where each column begins.
    columns: [usize; WIDTHS.len()],
    /// Where each text lies.
    texts: Vec<Range<usize>>,
}

impl CoverageFile {
    /// Checks a whole file.
    ///
    /// # Errors
    /// `Unsupported` for a newer major version or a state that this version does not know, `Corrupt` for anything
    /// else that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        read_prelude(&mut reader, COVERAGE_MAGIC)?;
        let covered = unseal(bytes, 0, "coverage file")?;
        let mut reader = Reader::new(covered);
        reader.raw(12, "magic and version")?;
        let key_count = reader.count(KEY_LEN, "key count")?;
        let database = reader.u128("database id")?;
        let file = reader.u64("file id")?;
        let offset = reader.offset();
        let ranges = reader.u64("range count")?;
        let text_count = reader.count(4, "text count")?;
        let text_len = reader.count(1, "text length")?;
        reader.raw(HEADER_LEN - 56, "reserved")?;
        let ranges = usize::try_from(ranges)
            .ok()
            .filter(|ranges| *ranges <= covered.len() / WIDTHS.iter().sum::<usize>())
            .ok_or_else(|| FormatError::corrupt(offset, format!("range count: found {ranges}")))?;
        let keys = decode_keys(&mut reader, key_count, ranges)?;
        let mut columns = [0; WIDTHS.len()];
        for (column, width) in columns.iter_mut().zip(WIDTHS) {
            *column = reader.offset() as usize;
            reader.raw(ranges * width, "ranges")?;
        }
        let texts = decode_texts(&mut reader, text_count, text_len)?;
        reader.finish("coverage file")?;
        let parsed = Self {
            database,
            file,
            keys,
            columns,
            texts,
        };
        parsed.check(bytes)?;
        Ok(parsed)
    }

    /// Id of the database that it belongs to.
    pub fn database(&self) -> u128 {
        self.database
    }

    /// Its id.
    pub fn file(&self) -> u64 {
        self.file
    }

    /// The keys, ascending, with the places of their ranges.
    pub fn keys(&self) -> &[(CoverageKey, Range<usize>)] {
        &self.keys
    }

    /// Where the ranges of a key lie.
    pub fn find(&self, key: CoverageKey) -> Range<usize> {
        let found = self.keys.binary_search_by_key(&key, |(key, _)| *key);
        let place = found.ok().and_then(|at| self.keys.get(at));
        place.map_or(0..0, |(_, places)| places.clone())
    }

    /// Start, end and state of the ranges at some places. `bytes` are those that were parsed.
    pub fn spans<'a>(
        &self,
        bytes: &'a [u8],
        places: Range<usize>,
    ) -> impl ExactSizeIterator<Item = (i64, i64, CoverageState)> + use<'a> {
        let starts = self.words(bytes, 0, places.clone());
        let ends = self.words(bytes, 1, places.clone());
        let states = bytes
            .get(self.columns[9] + places.start..self.columns[9] + places.end)
            .unwrap_or_default();
        starts.iter().zip(ends).zip(states).map(|((start, end), state)| {
            let state = CoverageState::from_tag(*state).unwrap_or(CoverageState::Unknown);
            (i64::from_le_bytes(*start), i64::from_le_bytes(*end), state)
        })
    }

    /// The range at a place. `bytes` are those that were parsed.
    pub fn record<'a>(&self, bytes: &'a [u8], place: usize) -> Option<CoverageRecord<'a>> {
        let word = |column: usize| self.words(bytes, column, place..place + 1).first().copied();
        let integer = |column: usize| word(column).map(i64::from_le_bytes);
        let state = *bytes.get(self.columns[9] + place)?;
        Some(CoverageRecord {
            start: integer(0)?,
            end: integer(1)?,
            state: CoverageState::from_tag(state)?,
            first_commit: integer(2)?,
            commit: integer(3)?,
            rows: Some(word(4).map(u64::from_le_bytes)?).filter(|rows| *rows != u64::MAX),
            content: word(5).map(u64::from_le_bytes)?,
            fetched_at: integer(6)?,
            source: self.text(bytes, 7, place)?,
            batch: self.text(bytes, 8, place)?,
        })
    }

    fn words<'a>(&self, bytes: &'a [u8], column: usize, places: Range<usize>) -> &'a [[u8; 8]] {
        let base = self.columns.get(column).copied().unwrap_or(usize::MAX / 2);
        let bytes = bytes.get(base + places.start * 8..base + places.end * 8);
        bytes.unwrap_or_default().as_chunks::<8>().0
    }

    fn text<'a>(&self, bytes: &'a [u8], column: usize, place: usize) -> Option<&'a str> {
        let base = self.columns.get(column)? + place * 4;
        let id = bytes.get(base..)?.first_chunk::<4>()?;
        let text = self.texts.get(u32::from_le_bytes(*id) as usize)?;
        std::str::from_utf8(bytes.get(text.clone())?).ok()
    }

    /// Ranges ascend inside their key, and states and texts are known.
    fn check(&self, bytes: &[u8]) -> Result<(), FormatError> {
        let wrong = |place: usize, what: &str| {
            let offset = (self.columns[0] + place * 8) as u64;
            Err(FormatError::corrupt(offset, format!("range {place}: {what}")))
        };
        for (_, places) in &self.keys {
            let mut before = i64::MIN;
            for (place, (start, end, _)) in places.clone().zip(self.spans(bytes, places.clone())) {
                if start >= end || start < before {
                    return wrong(place, "found times that do not ascend");
                }
                before = end;
            }
        }
        let ranges = self.keys.last().map_or(0, |(_, places)| places.end);
        for place in 0..ranges {
            let state = bytes.get(self.columns[9] + place).copied().unwrap_or_default();
            if CoverageState::from_tag(state).is_none() {
                let offset = (self.columns[9] + place) as u64;
                let what = format!("coverage state: found tag {state}, which this version does not know");
                return Err(FormatError::unsupported(offset, what));
            }
            if self.text(bytes, 7, place).is_none() || self.text(bytes, 8, place).is_none() {
                return wrong(place, "found a text that is not there");
            }
        }
        Ok(())
    }
}

fn decode_keys(
    reader: &mut Reader<'_>,
    count: usize,
    ranges: usize,
) -> Result<Vec<(CoverageKey, Range<usize>)>, FormatError> {
    let mut keys: Vec<(CoverageKey, Range<usize>)> = Vec::with_capacity(count);
    for _ in 0..count {
        let offset = reader.offset();
        let series = decode_series(reader)?;
        reader.raw(3, "reserved")?;
        let interval = decode_interval(reader)?;
        let key = CoverageKey { series, interval };
        let end = reader.u64("end of ranges")? as usize;
        let (before, begin) = keys
            .last()
            .map_or((None, 0), |(key, places)| (Some(*key), places.end));
        if before.is_some_and(|before| before >= key) || end <= begin || end > ranges {
            return Err(FormatError::corrupt(
                offset,
                format!(
                    "coverage key: found ranges {begin}..{end} of {ranges}, expected keys and ranges in order"
                ),
            ));
        }
        keys.push((key, begin..end));
    }
    let end = keys.last().map_or(0, |(_, places)| places.end);
    if end != ranges {
        let what = format!("coverage keys: found {end} ranges, expected {ranges}");
        return Err(FormatError::corrupt(reader.offset(), what));
    }
    Ok(keys)
}

fn decode_texts(reader: &mut Reader<'_>, count: usize, len: usize) -> Result<Vec<Range<usize>>, FormatError> {
    let offset = reader.offset();
    let ends = (0..count)
        .map(|_| reader.u32("end of a text").map(|end| end as usize))
        .collect::<Result<Vec<_>, _>>()?;
    let base = reader.offset() as usize;
    let bytes = reader.raw(len, "texts")?;
    let mut texts = Vec::with_capacity(count);
    let mut begin = 0;
    for end in ends {
        let is_text = bytes
            .get(begin..end)
            .is_some_and(|text| std::str::from_utf8(text).is_ok());
        if !is_text {
            let what = format!("text: found bytes {begin}..{end} of {len}, expected UTF-8 in order");
            return Err(FormatError::corrupt(offset, what));
        }
        texts.push(base + begin..base + end);
        begin = end;
    }
    match begin == len {
        true => Ok(texts),
        false => Err(FormatError::corrupt(
            offset,
            format!("texts: found {begin} bytes, expected {len}"),
        )),
    }
}
