//! Numbers of a batch, narrowed: each is stored as its distance from the least one, in as few bytes as all need.

use crate::bytes::{Reader, Writer};
use crate::error::FormatError;

/// Values as they stand in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed<'a> {
    /// Bytes of one value when unpacked.
    width: usize,
    /// Bytes of one value as stored; 0 when the bytes are the values themselves.
    narrow: usize,
    base: i64,
    bytes: &'a [u8],
}

/// Appends `values`, little-endian integers of 4 or 8 bytes each, narrowed where that is shorter.
pub(super) fn pack_integers(writer: &mut Writer, values: &[u8], width: usize) {
    match width {
        8 => pack(
            writer,
            values,
            || bounds::<8>(values, i64::from_le_bytes),
            narrow::<8>,
        ),
        4 => pack(
            writer,
            values,
            || bounds::<4>(values, |bytes| i32::from_le_bytes(bytes).into()),
            narrow::<4>,
        ),
        _ => pack_raw(writer, values),
    }
}

/// Appends bytes as they are.
pub(super) fn pack_raw(writer: &mut Writer, values: &[u8]) {
    writer.u8(0);
    writer.bytes(values);
}

fn pack(
    writer: &mut Writer,
    values: &[u8],
    bounds: impl FnOnce() -> Option<(i64, i64)>,
    narrow: impl FnOnce(&mut Writer, &[u8], i64, usize),
) {
    let Some((least, greatest)) = bounds() else {
        return pack_raw(writer, values);
    };
    let bytes = match greatest.wrapping_sub(least).cast_unsigned() {
        0..=0xFF => 1,
        0x100..=0xFFFF => 2,
        0x1_0000..=0xFFFF_FFFF => 4,
        _ => return pack_raw(writer, values),
    };
    writer.u8(bytes);
    writer.i64(least);
    narrow(writer, values, least, bytes.into());
}

fn bounds<const WIDTH: usize>(values: &[u8], read: impl Fn([u8; WIDTH]) -> i64) -> Option<(i64, i64)> {
    let (chunks, _) = values.as_chunks::<WIDTH>();
    let first = read(*chunks.first()?);
    Some(chunks.iter().fold((first, first), |(least, greatest), chunk| {
        let value = read(*chunk);
        (least.min(value), greatest.max(value))
    }))
}

/// The low bytes of the distances; a distance wraps like the subtraction that made its bound.
fn narrow<const WIDTH: usize>(writer: &mut Writer, values: &[u8], least: i64, bytes: usize) {
    let (chunks, _) = values.as_chunks::<WIDTH>();
    writer.count(chunks.len() * bytes);
    let distance = |chunk: &[u8; WIDTH]| -> u32 {
        let mut low = [0; 4];
        low.copy_from_slice(&chunk[..4]);
        u32::from_le_bytes(low).wrapping_sub((least & 0xFFFF_FFFF) as u32)
    };
    match bytes {
        1 => writer.extend(chunks.iter().map(|chunk| distance(chunk) as u8)),
        2 => chunks.iter().for_each(|chunk| writer.u16(distance(chunk) as u16)),
        _ => chunks.iter().for_each(|chunk| writer.u32(distance(chunk))),
    }
}

impl<'a> Packed<'a> {
    /// Reads `count` values of `width` bytes each; `None` for a count that only the bytes tell.
    pub(super) fn decode(
        reader: &mut Reader<'a>,
        width: usize,
        count: Option<usize>,
        what: &str,
    ) -> Result<Self, FormatError> {
        let offset = reader.offset();
        let narrow = usize::from(reader.u8(what)?);
        if !matches!(narrow, 0 | 1 | 2 | 4) || (narrow > 0 && !matches!(width, 4 | 8)) {
            return Err(FormatError::unsupported(
                offset,
                format!(
                    "{what}: found values of {width} bytes narrowed to {narrow}, which this version does not know"
                ),
            ));
        }
        let base = if narrow > 0 { reader.i64(what)? } else { 0 };
        let bytes = reader.bytes(what)?;
        let each = if narrow > 0 { narrow } else { width };
        if let Some(count) = count
            && count.checked_mul(each) != Some(bytes.len())
        {
            return Err(FormatError::corrupt(
                offset,
                format!(
                    "{what}: found {} bytes, expected {count} values of {each}",
                    bytes.len()
                ),
            ));
        }
        Ok(Self {
            width,
            narrow,
            base,
            bytes,
        })
    }

    /// Bytes of all values when unpacked.
    pub fn len(&self) -> usize {
        match self.narrow {
            0 => self.bytes.len(),
            narrow => self.bytes.len() / narrow * self.width,
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes the values, little-endian, into `out`, which has [`Packed::len`] bytes.
    pub fn unpack(&self, out: &mut [u8]) {
        match self.narrow {
            0 => out.copy_from_slice(self.bytes),
            1 => self.widen::<1>(out, |bytes| bytes[0].into()),
            2 => self.widen::<2>(out, |bytes| u16::from_le_bytes(bytes).into()),
            _ => self.widen::<4>(out, |bytes| u32::from_le_bytes(bytes).into()),
        }
    }

    fn widen<const NARROW: usize>(&self, out: &mut [u8], read: impl Fn([u8; NARROW]) -> i64) {
        let (narrow, _) = self.bytes.as_chunks::<NARROW>();
        let value = |bytes: &[u8; NARROW]| self.base.wrapping_add(read(*bytes));
        if self.width == 8 {
            let (wide, _) = out.as_chunks_mut::<8>();
            for (out, bytes) in wide.iter_mut().zip(narrow) {
                *out = value(bytes).to_le_bytes();
            }
        } else {
            let (wide, _) = out.as_chunks_mut::<4>();
            for (out, bytes) in wide.iter_mut().zip(narrow) {
                *out = (value(bytes) as i32).to_le_bytes();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(values: &[u8], width: usize) -> usize {
        let mut writer = Writer::new();
        pack_integers(&mut writer, values, width);
        let bytes = writer.into_vec();
        let mut reader = Reader::new(&bytes);
        let count = Some(values.len() / width);
        let packed = Packed::decode(&mut reader, width, count, "values").expect("what was packed reads");
        let mut out = vec![0; packed.len()];
        packed.unpack(&mut out);
        assert_eq!(out, values);
        bytes.len()
    }

    #[test]
    fn integers_come_back_from_every_width() {
        let spans: [&[i64]; 7] = [
            &[],
            &[5],
            &[-3, 252],
            &[1_795_179_600_000_000_000, 1_795_179_600_000_040_000],
            &[i64::MIN, i64::MIN + 0xFFFF_FFFF],
            &[i64::MIN, i64::MAX],
            &[0, 0x1_0000_0000],
        ];
        for span in spans {
            let wide: Vec<u8> = span.iter().flat_map(|value| value.to_le_bytes()).collect();
            round_trip(&wide, 8);
            let codes: Vec<u8> = span
                .iter()
                .flat_map(|value| (*value as i32).to_le_bytes())
                .collect();
            round_trip(&codes, 4);
        }
    }

    #[test]
    fn a_small_range_is_stored_small() {
        let values: Vec<u8> = (0..1000_i64)
            .flat_map(|i| (i + (1 << 60)).to_le_bytes())
            .collect();
        assert_eq!(round_trip(&values, 8), 1 + 8 + 4 + 2000);
    }
}
