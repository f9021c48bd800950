//! Encoded parts of pages: every codec and number type comes back bit for bit, and damaged or forged bytes are an
//! error or other numbers, never a panic or more memory than was asked for.

use gapless_format::encoded::{DECODED_PAGE_BYTES_MAX, decode_part, encode_pco, encode_zstd, pack, unpack};
use gapless_format::*;

/// Bytes of numbers with the special ones of floats among them, and long runs.
fn samples(width: usize) -> Vec<Vec<u8>> {
    let specials: [u64; 6] = [
        f64::NAN.to_bits(),
        (-0.0f64).to_bits(),
        f64::INFINITY.to_bits(),
        f64::NEG_INFINITY.to_bits(),
        0x7ff0_0000_0000_0001,
        u64::MAX,
    ];
    let take = |values: &mut dyn Iterator<Item = u64>| -> Vec<u8> {
        values
            .flat_map(|value| value.to_le_bytes()[8 - width..].to_vec())
            .collect()
    };
    vec![
        take(&mut specials.into_iter()),
        take(&mut std::iter::once(7u64 << 56)),
        take(&mut (0..300u64).map(|i| (i % 3) << 56)),
        take(&mut (0..1000u64).map(|i| specials[i as usize % 6] ^ (i / 7))),
        take(&mut (0..2000u64).map(|i| (100.0 + i as f64 / 100.0).to_bits())),
        take(&mut (0..3000u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
    ]
}

fn encoded(codec: Codec, lane: Number, plain: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Plain => plain.to_vec(),
        Codec::Zstd => encode_zstd(plain, 3).unwrap(),
        Codec::Pco => encode_pco(lane, plain, 8).unwrap(),
    }
}

#[test]
fn every_codec_gives_back_every_number_bit_for_bit() {
    for &lane in Number::ALL {
        for plain in samples(lane.width()) {
            for &codec in Codec::ALL {
                let stored = encoded(codec, lane, &plain);
                // Aligned for no number, then for all.
                for shift in [1, 0] {
                    let mut out = vec![0xaa; plain.len() + 8];
                    let start = out.as_ptr().align_offset(8) + shift;
                    out.resize(start + plain.len(), 0);
                    let place = &mut out[start..start + plain.len()];
                    decode_part(codec, Some(lane), &stored, place).unwrap();
                    assert_eq!(place, plain, "{codec:?} {lane:?} shifted by {shift}");
                }
                for wrong in [0, plain.len() - lane.width(), plain.len() + lane.width()] {
                    let mut out = vec![0; wrong];
                    let outcome = decode_part(codec, Some(lane), &stored, &mut out);
                    assert!(
                        outcome.is_err(),
                        "{codec:?} {lane:?}: {wrong} of {} bytes",
                        plain.len()
                    );
                }
            }
        }
    }
    assert!(decode_part(Codec::Pco, None, &[], &mut [0; 8]).is_err());
    assert!(encode_pco(Number::I32, &[0; 7], 8).is_err());
}

#[test]
fn numbers_of_another_type_are_an_error() {
    let plain: Vec<u8> = (0..100i64).flat_map(i64::to_le_bytes).collect();
    let stored = encode_pco(Number::I64, &plain, 8).unwrap();
    for &lane in Number::ALL.iter().filter(|lane| **lane != Number::I64) {
        let mut out = vec![0; 100 * lane.width()];
        assert!(
            decode_part(Codec::Pco, Some(lane), &stored, &mut out).is_err(),
            "{lane:?}"
        );
    }
}

/// The checksum finds damage first; behind it stands whoever forged that as well.
#[test]
fn every_cut_and_every_flipped_bit_of_a_part_is_an_error_or_some_numbers_and_never_a_panic() {
    let mut tried = 0;
    for lane in [Number::I64, Number::F64, Number::U32, Number::U8, Number::F32] {
        for plain in samples(lane.width()) {
            for codec in [Codec::Zstd, Codec::Pco] {
                let stored = encoded(codec, lane, &plain);
                let mut out = vec![0; plain.len()];
                for end in 0..stored.len() {
                    assert!(
                        decode_part(codec, Some(lane), &stored[..end], &mut out).is_err(),
                        "cut at {end}"
                    );
                }
                // Long parts are sampled behind their headers.
                let step = 1 + stored.len() / 400;
                for at in (0..stored.len()).filter(|at| *at < 200 || at % step == 0) {
                    for bit in 0..8 {
                        let mut damaged = stored.clone();
                        damaged[at] ^= 1 << bit;
                        let _ = decode_part(codec, Some(lane), &damaged, &mut out);
                        tried += 1;
                    }
                }
            }
        }
    }
    println!("{tried} flipped bits");
}

#[test]
fn packed_values_come_back_to_their_rows() {
    for width in [1, 2, 3, 4, 8, 16, 20] {
        for rows in [1usize, 7, 8, 9, 64, 1001] {
            for kind in 0..4 {
                let is_valid = |row: usize| match kind {
                    0 => true,
                    1 => false,
                    2 => row.is_multiple_of(3),
                    _ => row < rows / 2,
                };
                let mut validity = vec![0u8; rows.div_ceil(8)];
                (0..rows)
                    .filter(|row| is_valid(*row))
                    .for_each(|row| validity[row / 8] |= 1 << (row % 8));
                let plain: Vec<u8> = (0..rows * width).map(|at| (at % 251) as u8).collect();
                let packed = pack(&validity, width, &plain);
                let mut out = vec![0xff; rows * width];
                unpack(&validity, width, &packed, &mut out).unwrap();
                for row in 0..rows {
                    let range = row * width..(row + 1) * width;
                    match is_valid(row) {
                        true => assert_eq!(out[range.clone()], plain[range]),
                        false => assert!(out[range].iter().all(|byte| *byte == 0xff)),
                    }
                }
                let more = [packed.clone(), vec![0; width]].concat();
                assert!(unpack(&validity, width, &more, &mut out).is_err());
                if let Some(end) = packed.len().checked_sub(width) {
                    assert!(unpack(&validity, width, &packed[..end], &mut out).is_err());
                }
            }
        }
    }
}

mod common;

/// A description whose only encoded page was changed, decoded again.
fn changed(
    column_type: ColumnType,
    rows: u64,
    change: impl Fn(&mut EncodedPage),
) -> Result<SegmentMeta, FormatError> {
    let mut meta = common::segment_meta();
    meta.rows = rows;
    meta.columns = vec![
        common::column(1, "ts", common::time_type(), rows),
        common::column(2, "sym", ColumnType::Symbol { domain: "sym".into() }, rows),
        common::paged(common::column(3, "x", column_type, rows), rows),
    ];
    let column = meta.columns.last_mut().unwrap();
    change(&mut column.encoded[0]);
    column.values_bytes = 64 + column.encoded[0].values.slot();
    SegmentMeta::decode(&meta.encode())
}

#[test]
fn a_description_promises_no_more_bytes_than_type_and_rows_allow() {
    let number = || ColumnType::Number(Number::F64);
    let text = || ColumnType::Binary;
    assert!(changed(number(), 1000, |_| ()).is_ok());
    assert!(changed(text(), 1000, |page| page.decoded_len = DECODED_PAGE_BYTES_MAX).is_ok());
    type Change = fn(&mut EncodedPage);
    let wrong: [(ColumnType, Change); 8] = [
        (number(), |page| page.decoded_len += 8),
        (number(), |page| page.decoded_len = u64::MAX),
        (number(), |page| page.packed = true),
        (number(), |page| page.values.len = 0),
        (number(), |page| page.values.codec = Codec::Plain),
        (text(), |page| page.decoded_len = DECODED_PAGE_BYTES_MAX + 1),
        (text(), |page| page.values.codec = Codec::Pco),
        (text(), |page| page.offsets.len += 64),
    ];
    for (at, (column_type, change)) in wrong.into_iter().enumerate() {
        let error = changed(column_type, 1000, change).expect_err(&format!("change {at}"));
        assert!(!error.is_unsupported(), "change {at}: {error}");
    }
}
