//! What is encoded comes back, for the sample and for generated values of every structure.

mod common;

use common::*;
use gapless_format::*;

fn record(bytes: &[u8]) -> (u64, i64, RecordBody, usize) {
    match decode_record(bytes, 0).unwrap() {
        RecordOutcome::Record {
            version,
            committed_at,
            body,
            len,
        } => (version, committed_at, body, len),
        other => panic!("expected a record, found {other:?}"),
    }
}

#[test]
fn headers_and_marks_come_back() {
    let header = vector_header();
    assert_eq!(VectorHeader::decode(&header.encode()), Ok(header));
    let log = LogHeader {
        number: 7,
        database: 8 << 100,
    };
    assert_eq!(LogHeader::decode(&log.encode()), Ok(log));
    assert_eq!(wal::WalHeader::decode(&wal_header().encode()), Ok(wal_header()));
    let identity = Identity::new(9 << 100);
    assert_eq!(Identity::decode(&identity.encode()), Ok(identity));
    let current = Current { log: 10 };
    assert_eq!(Current::decode(&current.encode()), Ok(current));
    let tail = Tail {
        log: 11,
        committed_len: 12,
        suspect: true,
    };
    assert_eq!(Tail::decode(&tail.encode()), Ok(tail));
    let pin = Pin { version: 13 };
    assert_eq!(Pin::decode(&pin.encode()), Ok(pin));
}

#[test]
fn column_types_come_back() {
    for column_type in column_types() {
        let mut writer = Writer::new();
        column_type.encode(&mut writer);
        let bytes = writer.into_vec();
        assert_eq!(bytes[0], column_type.tag());
        let mut reader = Reader::new(&bytes);
        assert_eq!(ColumnType::decode(&mut reader), Ok(column_type));
        assert_eq!(reader.remaining(), 0);
    }
}

#[test]
fn a_segment_meta_comes_back() {
    let meta = segment_meta();
    assert_eq!(SegmentMeta::decode(&meta.encode()), Ok(meta));
}

#[test]
fn a_segment_meta_with_a_column_of_every_type_comes_back() {
    let mut meta = segment_meta();
    for (at, column_type) in column_types().into_iter().enumerate() {
        let id = 100 + at as u32;
        meta.columns
            .push(column(id, &format!("c{id}"), column_type, meta.rows));
    }
    assert_eq!(SegmentMeta::decode(&meta.encode()), Ok(meta));
}

#[test]
fn a_checkpoint_comes_back() {
    let body = RecordBody::Checkpoint(checkpoint(3));
    let bytes = encode_record(45, 1_795_179_600_000_000_000, &body);
    assert_eq!(record(&bytes), (45, 1_795_179_600_000_000_000, body, bytes.len()));
}

#[test]
fn an_edit_comes_back_and_the_next_record_begins_behind_it() {
    let body = RecordBody::Edit(edit_items());
    let mut bytes = encode_record(46, -1, &body);
    let len = bytes.len();
    assert_eq!(record(&bytes), (46, -1, body, len));
    bytes.extend(encode_record(47, 0, &RecordBody::Edit(Vec::new())));
    assert_eq!(record(&bytes).3, len);
    assert_eq!(record(&bytes[len..]).0, 47);
    assert_eq!(decode_record(&[], 9), Ok(RecordOutcome::End));
}

#[test]
fn a_coverage_file_comes_back() {
    let bytes = coverage_file();
    let file = CoverageFile::parse(&bytes).unwrap();
    assert_eq!(
        (file.database(), file.file()),
        (COVERAGE_DATABASE, 0x4142_4344_4546_4748)
    );
    assert_eq!(coverage_of(&file, &bytes), coverage_keys());
    assert_eq!(file.find(coverage_key(Some(8), Some(0))), 0..0);
    assert_eq!(file.find(coverage_key(None, Some(1))), 0..0);
}

#[test]
fn a_coverage_file_of_nothing_and_keys_of_nothing_come_back_empty() {
    for keys in [vec![], vec![(coverage_key(Some(7), None), vec![])]] {
        let bytes = encode_coverage_file(1, 2, &keys);
        let file = CoverageFile::parse(&bytes).unwrap();
        assert!(file.keys().is_empty());
        assert_eq!(file.record(&bytes, 0), None);
    }
}

#[test]
fn symbols_come_back_frame_by_frame() {
    let header = SymbolFileHeader {
        domain: "größe".into(),
        database: 5,
    };
    let mut file = header.encode();
    assert_eq!(SymbolFileHeader::decode(&file), Ok((header, file.len())));
    let (first, chain) = encode_frame(0, &["AAPL", "", "größe"], symbols::CHAIN_START);
    let (second, last_chain) = encode_frame(3, &["MSFT"], chain);
    let at = file.len();
    file.extend(first.iter().chain(&second));
    let frame = decode_frame(&file[at..], 0, symbols::CHAIN_START, at as u64).unwrap();
    assert_eq!(frame.symbols().collect::<Vec<_>>(), ["AAPL", "", "größe"]);
    assert_eq!(
        (frame.first_code, frame.count, frame.chain, frame.len),
        (0, 3, chain, first.len())
    );
    assert_eq!((frame.get(2), frame.get(3)), (Some("größe"), None));
    let frame = decode_frame(&file[at + frame.len..], 3, chain, 0).unwrap();
    assert_eq!(frame.symbols().collect::<Vec<_>>(), ["MSFT"]);
    assert_eq!(frame.chain, last_chain);
}

#[test]
fn indexes_answer_what_was_put_in() {
    let body = encode_parted(&[3, 9, u64::from(NULL_CODE)], &[0, 10, 11, 40]);
    let parted = PartedIndex::parse(&body, 40).unwrap();
    parted.verify().unwrap();
    assert_eq!(
        (parted.find(3), parted.find(9), parted.find(4)),
        (Some(0..10), Some(10..11), None)
    );
    assert_eq!(parted.iter().last(), Some((u64::from(NULL_CODE), 11..40)));
    let body = encode_parted(&[9, 3], &[0, 10, 11]);
    let parted = PartedIndex::parse(&body, 11).unwrap();
    parted.verify().unwrap();
    assert_eq!((parted.is_ascending(), parted.find(3)), (false, Some(10..11)));

    let groups = [(9, [4, 5].into_iter().collect()), (3, [0].into_iter().collect())];
    let body = encode_grouped(&groups);
    let grouped = GroupedIndex::parse(&body, 6).unwrap();
    grouped.verify().unwrap();
    assert_eq!(grouped.find(9).unwrap().as_ref(), Some(&groups[0].1));
    assert_eq!(grouped.find(4), Ok(None));
    assert_eq!(grouped.keys().collect::<Vec<_>>(), [3, 9]);

    let body = encode_unique(&[(7, 2), (1, 0), (7, 1)]);
    let unique = UniqueIndex::parse(&body, 3).unwrap();
    unique.verify().unwrap();
    assert_eq!(unique.find(7).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(unique.find(2).count(), 0);
    assert_eq!(unique.iter().collect::<Vec<_>>(), [(1, 0), (7, 1), (7, 2)]);
}
