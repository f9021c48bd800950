//! Chooses how the pages of a cold column chunk are stored, and encodes them.
//!
//! Each part of a page is tried with the codecs that suit it: on a sample first, when the page is large, and with the
//! best ones as a whole. What gains too little stays plain, so that reading it costs nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gapless_format::encoded::{DECODED_PAGE_BYTES_MAX, encode_pco, encode_zstd};
use gapless_format::{Codec, EncodedPart, Number};

use crate::error::{Error, Result};

/// Parts up to this are tried as a whole.
const WHOLE_BYTES: usize = 64 * 1024;
/// Bytes of each of the places that a sample is taken from.
const SAMPLE_BYTES: usize = 8 * 1024;
/// Places that a sample is taken from.
const SAMPLE_PLACES: usize = 4;
/// An encoded part has at most this share of the plain bytes, in percent; else it stays plain.
const GAIN_PERCENT: usize = 96;
/// A codec whose sample is larger than the best one's by this factor, in percent, is not tried on the whole part.
const CLOSE_PERCENT: usize = 115;
/// Parts below this stay plain: what is gained is less than a page of the description.
const PART_BYTES_MIN: usize = 96;

/// How one column of new segments is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ColumnEncoding {
    /// As arrays that are read in place.
    #[default]
    Plain,
    /// Page by page with the smallest of plain, zstd and (for numbers) pco.
    Cold,
    /// Page by page with zstd, or plain where it gains nothing.
    Zstd,
    /// Page by page with pco, or zstd where values are not numbers, or plain where it gains nothing.
    Pco,
}

impl ColumnEncoding {
    const ALL: [Self; 4] = [Self::Plain, Self::Cold, Self::Zstd, Self::Pco];

    /// `plain`, `cold`, `zstd` or `pco`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Cold => "cold",
            Self::Zstd => "zstd",
            Self::Pco => "pco",
        }
    }

    /// The encoding of a name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name)
    }
}

/// How the columns of new segments are stored: plain for hot rows, encoded for cold ones.
///
/// ```
/// use gapless_engine::{ColumnEncoding, EncodingPolicy};
///
/// let policy = EncodingPolicy::cold().zstd_level(9).column(3, ColumnEncoding::Plain);
/// assert_eq!(policy.of(1), ColumnEncoding::Cold);
/// assert_eq!(policy.of(3), ColumnEncoding::Plain);
/// assert_eq!(EncodingPolicy::default(), EncodingPolicy::plain());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodingPolicy {
    others: ColumnEncoding,
    columns: BTreeMap<u32, ColumnEncoding>,
    zstd_level: i32,
    pco_level: usize,
}

impl Default for EncodingPolicy {
    fn default() -> Self {
        Self::plain()
    }
}

impl EncodingPolicy {
    /// Every column plain.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            others: ColumnEncoding::Plain,
            columns: BTreeMap::new(),
            zstd_level: 3,
            pco_level: 8,
        }
    }

    /// Every column as [`ColumnEncoding::Cold`].
    #[must_use]
    pub fn cold() -> Self {
        Self {
            others: ColumnEncoding::Cold,
            ..Self::plain()
        }
    }

    /// Stores one column, by id, in a way of its own.
    #[must_use]
    pub fn column(mut self, column_id: u32, encoding: ColumnEncoding) -> Self {
        self.columns.insert(column_id, encoding);
        self
    }

    /// The level of zstd, 1 to 19, at first 3: a higher one is slower to write and as fast to read.
    #[must_use]
    pub fn zstd_level(mut self, level: i32) -> Self {
        self.zstd_level = level.clamp(1, 19);
        self
    }

    /// The level of pco, 0 to 12, at first 8.
    #[must_use]
    pub fn pco_level(mut self, level: usize) -> Self {
        self.pco_level = level.min(12);
        self
    }

    /// Whether every column is plain.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let mut all = self.columns.values().chain([&self.others]);
        all.all(|encoding| *encoding == ColumnEncoding::Plain)
    }

    /// How a column is stored.
    #[must_use]
    pub fn of(&self, column_id: u32) -> ColumnEncoding {
        self.columns.get(&column_id).copied().unwrap_or(self.others)
    }

    /// What encodes a column's pages; `None` for a plain column.
    pub(super) fn encoder(&self, column_id: u32) -> Option<Encoder> {
        match self.of(column_id) {
            ColumnEncoding::Plain => None,
            encoding => Some(Encoder {
                encoding,
                zstd_level: self.zstd_level,
                pco_level: self.pco_level,
            }),
        }
    }
}

/// Encodes parts of pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoder {
    encoding: ColumnEncoding,
    zstd_level: i32,
    pco_level: usize,
}

impl Encoder {
    /// The smallest form of a part; `lane` is what numbers it is made of.
    pub(super) fn part<'a>(
        &self,
        lane: Option<Number>,
        plain: &'a [u8],
    ) -> Result<(EncodedPart, Cow<'a, [u8]>)> {
        let mut best = (Codec::Plain, Cow::Borrowed(plain));
        if plain.len() >= PART_BYTES_MIN && plain.len() as u64 <= DECODED_PAGE_BYTES_MAX {
            let mut limit = plain.len() * GAIN_PERCENT / 100;
            for codec in self.candidates(lane, plain)? {
                let encoded = self.encode(codec, lane, plain)?;
                if encoded.len() < limit {
                    limit = encoded.len();
                    best = (codec, Cow::Owned(encoded));
                }
            }
        }
        let (codec, bytes) = best;
        let len = bytes.len() as u64;
        Ok((EncodedPart { codec, len }, bytes))
    }

    /// The codecs that are worth a try on the whole part.
    fn candidates(&self, lane: Option<Number>, plain: &[u8]) -> Result<Vec<Codec>> {
        let codecs: &[Codec] = match (self.encoding, lane) {
            (ColumnEncoding::Plain, _) => &[],
            (ColumnEncoding::Zstd, _) | (_, None) => &[Codec::Zstd],
            (ColumnEncoding::Pco, Some(_)) => &[Codec::Pco],
            (ColumnEncoding::Cold, Some(_)) => &[Codec::Pco, Codec::Zstd],
        };
        if plain.len() <= WHOLE_BYTES {
            return Ok(codecs.to_vec());
        }
        let sample = sample(plain);
        let mut sizes = Vec::with_capacity(codecs.len());
        for codec in codecs {
            sizes.push((*codec, self.encode(*codec, lane, &sample)?.len()));
        }
        let least = sizes.iter().map(|(_, size)| *size).min().unwrap_or_default();
        // A sample lacks what repeats over more than its length, so only what does not shrink at all is given up.
        let worthwhile = |size: usize| size < sample.len() && size <= least * CLOSE_PERCENT / 100;
        sizes.retain(|(_, size)| worthwhile(*size));
        Ok(sizes.into_iter().map(|(codec, _)| codec).collect())
    }

    fn encode(&self, codec: Codec, lane: Option<Number>, plain: &[u8]) -> Result<Vec<u8>> {
        let encoded = match (codec, lane) {
            (Codec::Plain, _) => Ok(plain.to_vec()),
            (Codec::Pco, Some(lane)) => encode_pco(lane, plain, self.pco_level),
            (Codec::Pco | Codec::Zstd, _) => encode_zstd(plain, self.zstd_level),
        };
        encoded.map_err(|error| Error::internal(format!("a page was not encoded: {error}")))
    }
}

/// Bytes from some places of a part, each beginning at a multiple of every number's width.
fn sample(plain: &[u8]) -> Vec<u8> {
    let step = (plain.len() / SAMPLE_PLACES).next_multiple_of(16);
    (0..SAMPLE_PLACES)
        .filter_map(|place| plain.get(place * step..place * step + SAMPLE_BYTES))
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(lane: Option<Number>, plain: &[u8]) -> Codec {
        let encoder = EncodingPolicy::cold().encoder(1).expect("a cold column");
        encoder.part(lane, plain).expect("encodes").0.codec
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn times_take_pco_text_takes_zstd_and_noise_stays_plain() {
        let times: Vec<u8> = (0..65_536i64)
            .flat_map(|i| (1_700_000_000_000_000_000 + i * 1_000_003 + i % 7).to_le_bytes())
            .collect();
        assert_eq!(part(Some(Number::I64), &times), Codec::Pco);
        let text: Vec<u8> = (0..40_000)
            .flat_map(|i| format!("order {i};").into_bytes())
            .collect();
        assert_eq!(part(None, &text), Codec::Zstd);
        assert_eq!(part(None, &noise(500_000)), Codec::Plain);
        assert_eq!(part(Some(Number::F64), &noise(8 * 65_536)), Codec::Plain);
        assert_eq!(part(Some(Number::U8), &noise(10)), Codec::Plain);
        assert_eq!(part(None, &[]), Codec::Plain);
    }

    #[test]
    fn a_sample_is_made_of_whole_numbers() {
        for len in [65_537 * 8, 65_536 * 3, 70_001 * 16] {
            assert_eq!(sample(&noise(len)).len(), SAMPLE_PLACES * SAMPLE_BYTES, "{len}");
        }
    }
}
