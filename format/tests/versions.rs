//! What a newer gapless wrote is unsupported, never corrupt; what it may add is skipped.

mod common;

use common::*;
use gapless_format::*;

/// Recomputes the checksum at the end.
fn reseal(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - 8;
    let sum = checksum(&bytes[..at]);
    bytes[at..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn patched(bytes: impl Into<Vec<u8>>, at: usize, value: u8) -> Vec<u8> {
    let mut bytes = bytes.into();
    bytes[at] = value;
    reseal(bytes)
}

#[test]
fn a_newer_major_version_is_unsupported_wherever_it_is_written() {
    let newer = |bytes: Vec<u8>| patched(bytes, 8, FORMAT_MAJOR as u8 + 1);
    let errors = [
        VectorHeader::decode(&newer(vector_header().encode().into())).unwrap_err(),
        Identity::decode(&newer(Identity::new(1).encode().into())).unwrap_err(),
        LogHeader::decode(&newer(
            LogHeader {
                number: 1,
                database: 2,
            }
            .encode()
            .into(),
        ))
        .unwrap_err(),
        wal::WalHeader::decode(&newer(wal_header().encode())).unwrap_err(),
        LeaseLogHeader::decode(&newer(lease_header().encode().0.into())).unwrap_err(),
        SegmentMeta::decode(&newer(segment_meta().encode())).unwrap_err(),
        CoverageFile::parse(&newer(coverage_file())).unwrap_err(),
        SymbolFileHeader::decode(&newer(
            SymbolFileHeader {
                domain: "d".into(),
                database: 2,
            }
            .encode(),
        ))
        .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            (error.kind, error.offset),
            (FormatErrorKind::Unsupported, 8),
            "{error}"
        );
    }
}

/// The rest of a newer major may look like anything: the version is read before length and checksum.
#[test]
fn a_newer_major_version_is_unsupported_even_if_nothing_else_fits() {
    let bytes = |magic: &[u8]| [magic, &[2, 0, 9, 0]].concat();
    assert!(
        Identity::decode(&bytes(b"GAPLESS\0"))
            .unwrap_err()
            .is_unsupported()
    );
    assert!(
        CoverageFile::parse(&bytes(b"GAPLCOV\0"))
            .unwrap_err()
            .is_unsupported()
    );
}

#[test]
fn major_version_zero_is_corrupt() {
    let error = Identity::decode(&patched(Identity::new(1).encode(), 8, 0)).unwrap_err();
    assert_eq!(error.kind, FormatErrorKind::Corrupt);
}

#[test]
fn a_newer_minor_version_is_read() {
    let header = vector_header();
    assert_eq!(VectorHeader::decode(&patched(header.encode(), 10, 3)), Ok(header));
    let meta = segment_meta();
    assert_eq!(SegmentMeta::decode(&patched(meta.encode(), 10, 3)), Ok(meta));
    let identity = Identity::decode(&patched(Identity::new(1).encode(), 10, 3)).unwrap();
    assert_eq!(identity.minor, 3);
    let bytes = patched(coverage_file(), 10, 3);
    let file = CoverageFile::parse(&bytes).unwrap();
    assert_eq!(coverage_of(&file, &bytes), coverage_keys());
}

#[test]
fn an_unknown_kind_or_encoding_of_a_vector_is_unsupported() {
    for at in [12, 13] {
        let error = VectorHeader::decode(&patched(vector_header().encode(), at, 99)).unwrap_err();
        assert!(error.is_unsupported(), "byte {at}: {error}");
    }
}

#[test]
fn an_encoded_vector_has_any_length_and_is_no_plain_one() {
    let header = VectorHeader {
        encoding: Encoding::Paged,
        body_len: 5,
        ..vector_header()
    };
    assert_eq!(VectorHeader::decode(&header.encode()).as_ref(), Ok(&header));
    assert_eq!(header.check_len(69), Ok(()));
    assert_eq!(header.check_encoding(Encoding::Paged), Ok(()));
    let error = header.check_encoding(Encoding::Plain).unwrap_err();
    assert!(!error.is_unsupported(), "{error}");
}

#[test]
fn a_state_of_coverage_that_is_not_known_is_unsupported() {
    let bytes = coverage_file();
    let text_len = 3 * 4 + 16;
    let ranges: usize = coverage_keys().iter().map(|(_, ranges)| ranges.len()).sum();
    let states = bytes.len() - 8 - text_len - ranges..bytes.len() - 8 - text_len;
    for at in states {
        let error = CoverageFile::parse(&patched(bytes.clone(), at, 8)).unwrap_err();
        assert!(error.is_unsupported() && error.offset == at as u64, "{error}");
    }
}

/// The record with one more item at its end.
fn with_item(record: &[u8], tag: u16, flags: u16) -> Vec<u8> {
    let mut bytes = record[..record.len() - 8].to_vec();
    bytes.extend(tag.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(b"new\0\0\0\0\0\0\0\0");
    let len = bytes.len() as u32;
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    reseal(bytes)
}

#[test]
fn an_unknown_item_of_a_record_is_skipped_unless_it_must_be_understood() {
    for body in [
        RecordBody::Edit(edit_items()),
        RecordBody::Checkpoint(checkpoint(1)),
    ] {
        let record = encode_record(45, 1_795_179_600_000_000_000, &body);
        let found = decode_record(&with_item(&record, 999, 0), 0).unwrap();
        assert!(matches!(found, RecordOutcome::Record { body: found, .. } if found == body));
        let error = decode_record(&with_item(&record, 999, 1), 0).unwrap_err();
        assert!(error.is_unsupported(), "{error}");
    }
}

#[test]
fn an_unknown_item_of_a_segment_meta_is_skipped_unless_it_must_be_understood() {
    let meta = segment_meta();
    let with_item = |flags: u8| {
        let mut bytes = meta.encode();
        bytes.truncate(bytes.len() - 8);
        bytes.extend([99, 0, flags, 0, 1, 0, 0, 0, 42]);
        bytes.extend([0; 8]);
        let len = bytes.len() as u64;
        bytes[16..24].copy_from_slice(&len.to_le_bytes());
        reseal(bytes)
    };
    assert_eq!(SegmentMeta::decode(&with_item(0)), Ok(meta.clone()));
    assert!(SegmentMeta::decode(&with_item(1)).unwrap_err().is_unsupported());
}

#[test]
fn an_unknown_kind_of_record_is_unsupported() {
    let record = patched(encode_record(1, 2, &RecordBody::Edit(Vec::new())), 4, 9);
    assert!(decode_record(&record, 0).unwrap_err().is_unsupported());
}
