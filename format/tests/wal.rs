//! The write-ahead log: what comes back, what ends it, what a newer gapless may add, and what damage looks like.
//!
//! - A flipped bit or a cut is the end of the log (`Torn`, or `End` where nothing is left), never an error and never
//!   another record.
//! - Behind forged checksums every value is still checked: an error or a sound value, no panic.

mod common;

use common::*;
use gapless_format::wal::*;
use gapless_format::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const LSN: u64 = 4096;

fn record(bytes: &[u8]) -> WalRecord<'_> {
    match decode_wal_record(bytes, LSN, 64) {
        Ok(WalOutcome::Record(record)) => record,
        other => panic!("expected a record, found {other:?}"),
    }
}

fn is_torn(bytes: &[u8]) -> bool {
    matches!(
        decode_wal_record(bytes, LSN, 64),
        Ok(WalOutcome::Torn { offset: 64, .. })
    )
}

fn rows_of(item: &WalItem<'_>) -> Vec<Rows> {
    let WalItem::Rows(rows) = item else {
        panic!("expected rows, found {item:?}");
    };
    rows.columns.iter().map(Rows::of).collect()
}

/// Writes both checksums again.
fn forge(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes[WAL_RECORD_HEADER_LEN..]);
    bytes[24..32].copy_from_slice(&sum.to_le_bytes());
    let sum = checksum(&bytes[..32]);
    bytes[32..40].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Reads everything that a record gives.
fn read_all(bytes: &[u8]) -> Result<usize, FormatError> {
    let WalOutcome::Record(record) = decode_wal_record(bytes, LSN, 64)? else {
        return Ok(0);
    };
    let items = record.items()?;
    for item in &items {
        if let WalItem::Rows(rows) = item {
            for column in &rows.columns {
                let _ = (column.verify(), Rows::of(column));
            }
        }
    }
    Ok(items.len())
}

#[test]
fn the_header_of_a_file_comes_back() {
    let header = wal_header();
    let bytes = header.encode();
    assert_eq!(bytes.len(), HEADER_LEN);
    assert_eq!(WalHeader::decode(&bytes), Ok(header));
    assert!(WalHeader::decode(&bytes[..63]).unwrap_err().torn);
}

#[test]
fn a_record_with_every_item_comes_back_and_the_next_one_begins_behind_it() {
    for rows in [0, 1, 8, 9, 300] {
        let columns = wal_columns(rows);
        let body = [
            wal_rows(3, rows, &columns),
            wal_coverage(&coverage()),
            wal_deletion(&deletion(3)),
            wal_rows(4, rows, &columns[..2]),
        ]
        .concat();
        let mut bytes = wal_record(LSN, -7, &body);
        let len = bytes.len();
        bytes.extend(wal_record(LSN + len as u64, -6, &[]));
        let found = record(&bytes);
        assert_eq!((found.lsn, found.commit, found.len), (LSN, -7, len));
        let items = found.items().unwrap();
        assert_eq!(rows_of(&items[0]), columns);
        assert_eq!(items[1], WalItem::Coverage(coverage()));
        assert_eq!(items[2], WalItem::Delete(deletion(3)));
        assert_eq!(rows_of(&items[3]), columns[..2]);
        for item in &items {
            if let WalItem::Rows(found) = item {
                assert_eq!(found.rows, rows);
                assert!(found.columns.iter().all(|column| column.verify().is_ok()));
            }
        }
        let next = decode_wal_record(&bytes[len..], LSN + len as u64, 0).unwrap();
        assert!(matches!(next, WalOutcome::Record(next) if next.items() == Ok(Vec::new())));
    }
}

#[test]
fn every_state_of_coverage_comes_back() {
    for &state in CoverageState::ALL {
        let it = Coverage {
            state,
            series: None,
            ..coverage()
        };
        let bytes = wal_record(LSN, 1, &wal_coverage(&it));
        assert_eq!(record(&bytes).items(), Ok(vec![WalItem::Coverage(it)]));
    }
}

#[test]
fn coverage_of_everything_and_of_what_is_not_known_comes_back() {
    let it = |series, interval, rows| Coverage {
        series,
        interval,
        rows,
        start: i64::MIN,
        end: i64::MAX,
        ..coverage()
    };
    let all = [
        it(None, None, None),
        it(Some(NULL_CODE), Some(0), Some(0)),
        it(None, Some(i64::MAX), Some(u64::MAX - 1)),
    ];
    let body: Vec<u8> = all.iter().flat_map(wal_coverage).collect();
    let bytes = wal_record(LSN, 1, &body);
    assert_eq!(record(&bytes).items(), Ok(all.map(WalItem::Coverage).to_vec()));
}

#[test]
fn a_record_at_another_lsn_is_torn() {
    let bytes = wal_record(LSN, 1, &wal_body());
    for lsn in [0, LSN - 1, LSN + 1, u64::MAX] {
        let found = decode_wal_record(&bytes, lsn, 64).unwrap();
        let WalOutcome::Torn { reason, .. } = found else {
            panic!("{lsn}: {found:?}");
        };
        assert!(reason.contains("found LSN 4096"), "{reason}");
    }
}

#[test]
fn zeros_and_nothing_are_the_end() {
    for len in [0, 1, 3, 39, 40, 41, 4096] {
        let zeros = vec![0; len];
        assert_eq!(decode_wal_record(&zeros, LSN, 64), Ok(WalOutcome::End), "{len}");
    }
}

/// Once one flipped bit of the length of a record of 64 bytes passed for reserved space.
#[test]
fn a_length_of_zero_before_anything_else_is_torn() {
    let mut bytes = wal_record(LSN, 1, &[0; 24]);
    assert_eq!(bytes[..4], [64, 0, 0, 0]);
    bytes[0] ^= 64;
    assert!(is_torn(&bytes));
}

#[test]
fn every_flipped_bit_of_a_record_is_torn() {
    let mut bytes = wal_record(LSN, 1, &wal_body());
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(is_torn(&bytes), "bit {} of byte {}", bit % 8, bit / 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn every_truncation_of_a_record_is_torn() {
    let bytes = wal_record(LSN, 1, &wal_body());
    for len in 1..bytes.len() {
        assert!(is_torn(&bytes[..len]), "cut to {len}");
    }
}

#[test]
fn no_flipped_bit_under_forged_checksums_panics() {
    let bytes = wal_record(LSN, 1, &wal_body());
    let at = |byte: usize| !(24..40).contains(&byte);
    for bit in (0..bytes.len() * 8).filter(|bit| at(bit / 8)) {
        let mut forged = bytes.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let _ = read_all(&forge(forged));
    }
}

#[test]
fn no_body_cut_under_forged_checksums_panics() {
    let body = wal_body();
    for len in 0..body.len() {
        let _ = read_all(&wal_record(LSN, 1, &body[..len]));
    }
}

fn patched(bytes: &[u8], at: usize, value: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = value;
    bytes
}

#[test]
fn a_newer_major_version_of_a_file_is_unsupported_even_if_nothing_else_fits() {
    let error = WalHeader::decode(&patched(&wal_header().encode(), 8, FORMAT_MAJOR as u8 + 1)).unwrap_err();
    assert!(error.is_unsupported() && error.offset == 8, "{error}");
}

#[test]
fn a_newer_minor_version_of_a_file_is_read() {
    let mut bytes = patched(&wal_header().encode(), 10, 3);
    let sum = checksum(&bytes[..56]);
    bytes[56..].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(WalHeader::decode(&bytes), Ok(wal_header()));
}

#[test]
fn an_unknown_kind_of_record_is_unsupported() {
    let bytes = forge(patched(&wal_record(LSN, 1, &wal_body()), 4, 9));
    let error = decode_wal_record(&bytes, LSN, 64).unwrap_err();
    assert!(error.is_unsupported() && error.offset == 68, "{error}");
}

#[test]
fn an_unknown_item_is_skipped_unless_it_must_be_understood() {
    let new = |flags: u8| [&[99, 0, flags, 0, 3, 0, 0, 0][..], b"new"].concat();
    let body = |flags| [new(flags), wal_coverage(&coverage()), new(flags)].concat();
    let bytes = wal_record(LSN, 1, &body(0));
    assert_eq!(record(&bytes).items(), Ok(vec![WalItem::Coverage(coverage())]));
    let bytes = wal_record(LSN, 1, &body(1));
    assert!(record(&bytes).items().unwrap_err().is_unsupported());
}

#[test]
fn an_unknown_type_narrowing_or_state_is_unsupported() {
    let columns = &wal_columns(3)[10..11]; // Binary, without nulls or narrow values.
    let rows = wal_rows(3, 3, columns);
    let (at_type, at_narrow) = (8 + 12 + 4, 8 + 12 + 4 + 1 + 1);
    let state = patched(&wal_coverage(&coverage()), 8 + 33, 99);
    for body in [patched(&rows, at_type, 99), patched(&rows, at_narrow, 3), state] {
        let bytes = wal_record(LSN, 1, &body);
        let error = record(&bytes).items().unwrap_err();
        assert!(error.is_unsupported(), "{error}");
    }
}

#[test]
fn items_that_contradict_themselves_are_corrupt() {
    let empty = Coverage {
        start: 5,
        end: 5,
        ..coverage()
    };
    let backwards = Coverage {
        interval: Some(-2),
        ..coverage()
    };
    let mut of_no_series = wal_coverage(&coverage());
    of_no_series[8 + 8] = 0; // Every series, but a code.
    let mut times = deletion(3);
    (times.start, times.end) = (6, 5);
    let twice = Deletion {
        series: Some(vec![7, 7]),
        ..deletion(3)
    };
    let mut unnamed = wal_deletion(&deletion(3));
    unnamed[8 + 36] = 0; // No series, but codes.
    let bodies = [
        wal_coverage(&empty),
        wal_coverage(&backwards),
        of_no_series,
        wal_deletion(&times),
        wal_deletion(&twice),
        unnamed,
        wal_rows(3, 5, &[]),
        [wal_coverage(&coverage()), vec![1]].concat(),
    ];
    for (at, body) in bodies.iter().enumerate() {
        let bytes = wal_record(LSN, 1, body);
        let error = record(&bytes).items().expect_err(&format!("body {at}"));
        assert_eq!(error.kind, FormatErrorKind::Corrupt, "{at}: {error}");
    }
}

#[test]
fn lengths_that_do_not_add_up_and_text_that_is_cut_inside_a_character_are_found() {
    let words = |lengths: [u32; 2]| {
        lengths
            .iter()
            .flat_map(|len| len.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let text = |lengths, validity: Option<u8>| Rows {
        column_id: 5,
        column_type: ColumnType::Utf8,
        validity: validity.map(|bits| vec![bits]),
        lengths: Some(words(lengths)),
        values: "é".into(),
    };
    let verify = |column: Rows| {
        let bytes = wal_record(LSN, 1, &wal_rows(3, 2, &[column]));
        let items = record(&bytes).items().unwrap();
        let WalItem::Rows(rows) = &items[0] else {
            panic!("rows were written");
        };
        rows.columns[0].verify()
    };
    assert_eq!(verify(text([0, 2], None)), Ok(()));
    assert!(verify(text([1, 1], None)).unwrap_err().message.contains("row 0"));
    assert!(
        verify(text([0, 3], None))
            .unwrap_err()
            .message
            .contains("expected 3")
    );
    assert!(verify(text([u32::MAX, u32::MAX], None)).is_err());
    // What stands in a null's place has no meaning.
    assert_eq!(verify(text([1, 1], Some(0))), Ok(()));
}

/// Bytes for one column of `rows` rows, `spread` apart at most.
fn generated(at: usize, column_type: ColumnType, rows: usize, seed: &[u64], spread: u32) -> Rows {
    let lens: Vec<u32> = (0..rows).map(|row| (seed[row % seed.len()] % 5) as u32).collect();
    let values = match (&column_type, column_type.value_width()) {
        (ColumnType::Utf8, _) => lens.iter().flat_map(|&len| vec![b'x'; len as usize]).collect(),
        (ColumnType::Bool, _) => vec![seed[0] as u8; rows.div_ceil(8)],
        (_, Some(width)) => (0..rows)
            .flat_map(|row| {
                let near = (seed[row % seed.len()] ^ row as u64) & ((1_u64 << spread) - 1);
                let value = u128::from(seed[0].wrapping_add(near));
                let mut bytes = value.to_le_bytes().to_vec();
                bytes.resize(width.max(16), 0x3C);
                bytes.truncate(width);
                bytes
            })
            .collect(),
        (_, None) => {
            let items: u32 = lens.iter().sum();
            vec![seed[0] as u8; (items * column_type.body_width()) as usize]
        }
    };
    Rows {
        column_id: at as u32,
        validity: (seed[0].is_multiple_of(2)).then(|| vec![(seed[0] >> 8) as u8; rows.div_ceil(8)]),
        lengths: column_type
            .has_offsets()
            .then(|| lens.iter().flat_map(|len| len.to_le_bytes()).collect()),
        values,
        column_type,
    }
}

fn batches() -> impl Strategy<Value = (usize, Vec<Rows>)> {
    let column = (select(column_types()), vec(any::<u64>(), 1..9), 0..63_u32);
    (0..300_usize, vec(column, 1..6)).prop_map(|(rows, columns)| {
        let column = |(at, (column_type, seed, spread)): (usize, (ColumnType, Vec<u64>, u32))| {
            generated(at, column_type, rows, &seed, spread)
        };
        (rows, columns.into_iter().enumerate().map(column).collect())
    })
}

proptest! {
    #[test]
    fn rows_of_every_type_come_back((rows, columns) in batches(), commit: i64) {
        let bytes = wal_record(LSN, commit, &wal_rows(3, rows, &columns));
        let items = record(&bytes).items().unwrap();
        prop_assert_eq!(rows_of(&items[0]), columns);
        let WalItem::Rows(found) = &items[0] else { unreachable!() };
        prop_assert_eq!((found.table, found.rows), (3, rows));
        prop_assert!(found.columns.iter().all(|column| column.verify().is_ok()));
    }

    /// Narrowed, rows never take more than as they are, but for a few bytes of each column.
    #[test]
    fn rows_are_never_much_longer_than_their_values((rows, columns) in batches()) {
        let plain: usize = columns.iter().map(|column| {
            let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
            column.values.len() + len(&column.lengths) + len(&column.validity)
        }).sum();
        prop_assert!(wal_rows(3, rows, &columns).len() <= plain + 20 + columns.len() * 64);
    }

    #[test]
    fn no_bytes_of_a_body_panic(body in vec(any::<u8>(), 0..200)) {
        let _ = read_all(&wal_record(LSN, 0, &body));
    }

    #[test]
    fn what_a_forger_gets_accepted_is_sound_or_an_error(at in 0..4_000_usize, bytes: [u8; 4], len in 1..=4_usize) {
        let mut body = wal_body();
        let at = at % (body.len() - 4);
        body[at..at + len].copy_from_slice(&bytes[..len]);
        let _ = read_all(&wal_record(LSN, 1, &body));
    }
}
