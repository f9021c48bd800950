//! Every truncation and every single-bit flip of a sample of every structure is noticed, and no decoder panics
//! even when the checksum was forged to fit.
//!
//! No structure has bytes outside its checksum, so no flip may go unnoticed: the list of exceptions is empty.

mod common;

use common::*;
use gapless_format::*;

/// A structure's sample and how it is read: the value as text, or the error.
struct Structure {
    name: &'static str,
    bytes: Vec<u8>,
    decode: fn(&[u8]) -> Result<String, String>,
    /// Where the trailing checksum of the bytes before it stands, to forge it.
    sum_at: Option<fn(&[u8]) -> usize>,
}

fn text<T: std::fmt::Debug>(result: Result<T, FormatError>) -> Result<String, String> {
    result
        .map(|value| format!("{value:?}"))
        .map_err(|error| error.to_string())
}

fn decode_any_record(bytes: &[u8]) -> Result<String, String> {
    match decode_record(bytes, 0) {
        Ok(RecordOutcome::Torn { reason, .. }) => Err(reason),
        Ok(RecordOutcome::End) => Err("end".into()),
        other => text(other),
    }
}

fn decode_log_record(bytes: &[u8]) -> Result<String, String> {
    match wal::decode_wal_record(bytes, 7, 64) {
        Ok(wal::WalOutcome::Torn { reason, .. }) => Err(reason),
        Ok(wal::WalOutcome::End) => Err("end".into()),
        Ok(wal::WalOutcome::Record(record)) => text(record.items()),
        Err(error) => Err(error.to_string()),
    }
}

fn decode_any_lease_record(bytes: &[u8]) -> Result<String, String> {
    match decode_lease_record(bytes, 7, 64) {
        Ok(LeaseOutcome::Torn { reason, .. }) => Err(reason),
        Ok(LeaseOutcome::End) => Err("end".into()),
        other => text(other),
    }
}

fn decode_coverage_file(bytes: &[u8]) -> Result<String, String> {
    text(CoverageFile::parse(bytes).map(|file| (file.database(), file.file(), coverage_of(&file, bytes))))
}

fn decode_symbol_frame(bytes: &[u8]) -> Result<String, String> {
    text(decode_frame(bytes, 3, 77, 0).map(|frame| {
        let symbols: Vec<&str> = frame.symbols().collect();
        let gotten: Vec<&str> = (0..symbols.len()).filter_map(|at| frame.get(at)).collect();
        assert_eq!(symbols, gotten);
        (symbols, frame.chain, frame.len)
    }))
}

/// An index file: header with the body's checksum, and the body.
fn index_file(kind: VectorKind, rows: u64, body: Vec<u8>) -> Vec<u8> {
    let header = VectorHeader {
        kind,
        encoding: Encoding::Plain,
        column_type_tag: 16,
        width: 0,
        rows,
        body_len: body.len() as u64,
        body_checksum: checksum(&body),
        segment: 5,
    };
    [header.encode().to_vec(), body].concat()
}

fn decode_index_file(bytes: &[u8]) -> Result<String, String> {
    let read = || {
        let header = VectorHeader::decode(bytes)?;
        header.check_len(bytes.len() as u64)?;
        let body = &bytes[HEADER_LEN..];
        header.check_index_body(body)?;
        read_index(header.kind, body, header.rows).map(|text| format!("{header:?} {text}"))
    };
    text(read())
}

fn read_index(kind: VectorKind, body: &[u8], rows: u64) -> Result<String, FormatError> {
    match kind {
        VectorKind::Parted => {
            let index = PartedIndex::parse(body, rows)?;
            let runs: Vec<_> = index.iter().collect();
            for (key, _) in &runs {
                let _ = index.find(*key);
            }
            index.verify()?;
            Ok(format!("{runs:?}"))
        }
        VectorKind::Grouped => {
            let index = GroupedIndex::parse(body, rows)?;
            index.keys().for_each(|key| drop(index.find(key)));
            index.verify()?;
            Ok(format!("{:?}", index.iter().collect::<Result<Vec<_>, _>>()?))
        }
        _ => {
            let index = UniqueIndex::parse(body, rows)?;
            let entries: Vec<_> = index.iter().collect();
            for (key, _) in &entries {
                let _ = index.find(*key).count();
            }
            index.verify()?;
            Ok(format!("{entries:?}"))
        }
    }
}

fn parted_body() -> Vec<u8> {
    encode_parted(&[3, 9, u64::from(NULL_CODE)], &[0, 10, 11, 40])
}

fn grouped_body() -> Vec<u8> {
    let mut runs: roaring::RoaringBitmap = (100..9_000).collect();
    runs.optimize();
    encode_grouped(&[(3, [0, 5, 6].into_iter().collect()), (1 << 40, runs)])
}

fn structures() -> Vec<Structure> {
    let last: Option<fn(&[u8]) -> usize> = Some(|bytes| bytes.len() - 8);
    let structure = |name, bytes, decode, sum_at| Structure {
        name,
        bytes,
        decode,
        sum_at,
    };
    let edit = RecordBody::Edit(edit_items());
    let check = RecordBody::Checkpoint(checkpoint(2));
    vec![
        structure(
            "vector header",
            vector_header().encode().to_vec(),
            |b| text(VectorHeader::decode(b)),
            last,
        ),
        structure(
            "identity",
            Identity::new(7).encode().to_vec(),
            |b| text(Identity::decode(b)),
            last,
        ),
        structure(
            "current",
            Current { log: 7 }.encode().to_vec(),
            |b| text(Current::decode(b)),
            last,
        ),
        structure(
            "tail",
            Tail {
                log: 7,
                committed_len: 8,
                suspect: false,
            }
            .encode()
            .to_vec(),
            |b| text(Tail::decode(b)),
            last,
        ),
        structure(
            "pin",
            Pin { version: 7 }.encode().to_vec(),
            |b| text(Pin::decode(b)),
            last,
        ),
        structure(
            "log header",
            LogHeader {
                number: 7,
                database: 8,
            }
            .encode()
            .to_vec(),
            |b| text(LogHeader::decode(b)),
            last,
        ),
        structure(
            "segment.meta",
            segment_meta().encode(),
            |b| text(SegmentMeta::decode(b)),
            last,
        ),
        structure(
            "symbol header",
            SymbolFileHeader {
                domain: "größe".into(),
                database: 5,
            }
            .encode(),
            |b| text(SymbolFileHeader::decode(b)),
            last,
        ),
        structure(
            "frame",
            encode_frame(3, &["AAPL", "größe", ""], 77).0,
            decode_symbol_frame,
            last,
        ),
        structure("edit", encode_record(46, -1, &edit), decode_any_record, last),
        structure(
            "checkpoint",
            encode_record(45, 7, &check),
            decode_any_record,
            last,
        ),
        structure(
            "wal header",
            wal_header().encode(),
            |b| text(wal::WalHeader::decode(b)),
            last,
        ),
        structure(
            "wal record",
            wal_record(7, -1, &wal_body()),
            decode_log_record,
            None,
        ),
        structure("coverage file", coverage_file(), decode_coverage_file, last),
        structure(
            "lease header",
            lease_header().encode().0.to_vec(),
            |b| text(LeaseLogHeader::decode(b)),
            last,
        ),
        structure(
            "lease record",
            encode_lease_record(7, &lease_items()).0,
            decode_any_lease_record,
            last,
        ),
        structure(
            "parted",
            index_file(VectorKind::Parted, 40, parted_body()),
            decode_index_file,
            None,
        ),
        structure(
            "grouped",
            index_file(VectorKind::Grouped, 9_000, grouped_body()),
            decode_index_file,
            None,
        ),
        structure(
            "unique",
            index_file(VectorKind::Unique, 3, encode_unique(&[(7, 2), (1, 0), (7, 1)])),
            decode_index_file,
            None,
        ),
    ]
}

#[test]
fn every_sample_is_sound() {
    for Structure {
        name, bytes, decode, ..
    } in structures()
    {
        decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_truncation_is_an_error() {
    for Structure {
        name, bytes, decode, ..
    } in structures()
    {
        for len in 0..bytes.len() {
            let found = decode(&bytes[..len]);
            assert!(
                found.is_err(),
                "{name} cut to {len} of {} bytes: {found:?}",
                bytes.len()
            );
        }
    }
}

#[test]
fn every_flipped_bit_is_an_error() {
    for Structure {
        name,
        mut bytes,
        decode,
        ..
    } in structures()
    {
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = decode(&bytes);
            assert!(
                found.is_err(),
                "{name} with bit {} of byte {} flipped: {found:?}",
                bit % 8,
                bit / 8
            );
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// The checksum finds accidents; behind it stands every other check, alone against a forger.
#[test]
fn no_flipped_bit_under_a_forged_checksum_panics() {
    for Structure {
        bytes,
        decode,
        sum_at,
        ..
    } in structures()
    {
        let Some(sum_at) = sum_at else { continue };
        let at = sum_at(&bytes);
        for bit in 0..at * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let sum = checksum(&forged[..at]);
            forged[at..].copy_from_slice(&sum.to_le_bytes());
            let _ = decode(&forged);
        }
    }
}

#[test]
fn no_flipped_bit_of_an_index_body_panics_or_answers_rows_outside_the_segment() {
    let unique = encode_unique(&[(7, 2), (1, 0), (7, 1)]);
    let bodies = [
        (VectorKind::Parted, 40, parted_body()),
        (VectorKind::Grouped, 9_000, grouped_body()),
        (VectorKind::Unique, 3, unique),
    ];
    for (kind, rows, mut body) in bodies {
        for bit in 0..body.len() * 8 {
            body[bit / 8] ^= 1 << (bit % 8);
            let _ = read_index(kind, &body, rows);
            if let Ok(index) = PartedIndex::parse(&body, rows) {
                assert!(
                    index
                        .iter()
                        .all(|(_, run)| run.start <= run.end && u64::from(run.end) <= rows)
                );
            }
            if let Ok(index) = GroupedIndex::parse(&body, rows) {
                let rows_of = index
                    .iter()
                    .filter_map(Result::ok)
                    .filter_map(|(_, rows)| rows.max());
                assert!(rows_of.max().is_none_or(|row| u64::from(row) < rows));
            }
            if let Ok(index) = UniqueIndex::parse(&body, rows) {
                assert!(index.iter().all(|(_, row)| u64::from(row) < rows));
            }
            body[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn bytes_behind_a_file_of_constant_size_are_an_error() {
    for name in [
        "identity",
        "current",
        "tail",
        "pin",
        "segment.meta",
        "coverage file",
    ] {
        let found = structures().into_iter().find(|structure| structure.name == name);
        let Structure {
            mut bytes, decode, ..
        } = found.unwrap();
        bytes.push(0);
        assert!(decode(&bytes).is_err(), "{name}");
    }
}

#[test]
fn an_unfinished_append_is_torn_and_a_wrong_frame_is_not() {
    let (frame, _) = encode_frame(3, &["AAPL", "MSFT"], 77);
    for len in 0..frame.len() {
        assert!(
            decode_frame(&frame[..len], 3, 77, 0).unwrap_err().torn,
            "cut to {len}"
        );
    }
    assert!(!decode_frame(&frame, 4, 77, 0).unwrap_err().torn);
    assert!(!decode_frame(&frame, 3, 78, 0).unwrap_err().torn);
    let mut damaged = frame;
    damaged[30] ^= 1;
    assert!(!decode_frame(&damaged, 3, 77, 0).unwrap_err().torn);
}

#[test]
fn zeros_are_never_a_record_or_a_frame() {
    let zeros = [0; 256];
    assert!(matches!(decode_record(&zeros, 0), Ok(RecordOutcome::Torn { .. })));
    assert!(decode_frame(&zeros, 0, symbols::CHAIN_START, 0).is_err());
    assert!(matches!(
        decode_lease_record(&zeros, 0, 0),
        Ok(LeaseOutcome::Torn { .. })
    ));
}
