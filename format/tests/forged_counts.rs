//! A forged count or length is refused before memory is reserved for it.
//!
//! What shows it is the peak of the process's address space: a reservation counts there even if it is never touched.
//! One test in its own binary, so that nothing else reserves at the same time.

mod common;

use common::*;
use gapless_format::*;

/// Peak address space in KiB; constant where the system does not tell.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0)
}

/// Reads a log record and everything in it.
fn read_wal(bytes: &[u8]) {
    let Ok(wal::WalOutcome::Record(record)) = wal::decode_wal_record(bytes, 7, 64) else {
        return;
    };
    for item in record.items().unwrap_or_default() {
        if let wal::WalItem::Rows(rows) = item {
            // Columns bound the rows, so a reader may reserve for them.
            let most = bytes.len() * 8;
            assert!(rows.rows <= most, "{} rows in {} bytes", rows.rows, bytes.len());
            for column in &rows.columns {
                let _ = (column.verify(), Rows::of(column));
            }
        }
    }
}

fn reseal(bytes: &mut [u8]) {
    let at = bytes.len() - 8;
    let sum = checksum(&bytes[..at]);
    bytes[at..].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn a_forged_count_anywhere_reserves_no_memory() {
    type Decode = fn(&[u8]);
    let checkpoint = RecordBody::Checkpoint(checkpoint(2));
    let edit = RecordBody::Edit(edit_items());
    let structures: Vec<(Vec<u8>, Decode)> = vec![
        (segment_meta().encode(), |bytes| drop(SegmentMeta::decode(bytes))),
        (encode_record(1, 2, &checkpoint), |bytes| {
            drop(decode_record(bytes, 0))
        }),
        (encode_record(1, 2, &edit), |bytes| drop(decode_record(bytes, 0))),
        (coverage_file(), |bytes| drop(CoverageFile::parse(bytes))),
        (encode_frame(0, &["AAPL", "MSFT"], 0).0, |bytes| {
            drop(decode_frame(bytes, 0, 0, 0))
        }),
        (
            SymbolFileHeader {
                domain: "d".into(),
                database: 1,
            }
            .encode(),
            |bytes| {
                drop(SymbolFileHeader::decode(bytes));
            },
        ),
        (encode_lease_record(7, &lease_items()).0, |bytes| {
            drop(decode_lease_record(bytes, 7, 0))
        }),
    ];
    let before = peak_kib();
    for (bytes, decode) in structures {
        // Every four bytes become a count: large, just too large for an i32, and near a gigabyte.
        for at in 0..bytes.len() - 12 {
            for forged in [u32::MAX, 1 << 31, 1 << 30, 1 << 26] {
                let mut bytes = bytes.clone();
                bytes[at..at + 4].copy_from_slice(&forged.to_le_bytes());
                reseal(&mut bytes);
                decode(&bytes);
            }
        }
    }
    // Both checksums of a log record stand in its header.
    let body = wal_body();
    for at in 0..body.len() - 4 {
        for forged in [u32::MAX, 1 << 31, 1 << 30, 1 << 26] {
            let mut body = body.clone();
            body[at..at + 4].copy_from_slice(&forged.to_le_bytes());
            read_wal(&wal_record(7, 1, &body));
            let mut bytes = wal_record(7, 1, &body);
            bytes[..4].copy_from_slice(&forged.to_le_bytes());
            let sum = checksum(&bytes[..32]);
            bytes[32..40].copy_from_slice(&sum.to_le_bytes());
            read_wal(&bytes);
        }
    }
    for cookie in [[58, 48, 0, 0, 255, 255, 255, 255], [59, 48, 255, 255, 0, 0, 0, 0]] {
        let mut body = encode_grouped(&[(1, (0..9).collect())]);
        let at = body.len() - 34;
        body[at..at + 8].copy_from_slice(&cookie);
        let index = GroupedIndex::parse(&body, 9).unwrap();
        let error = index.find(1).unwrap_err();
        assert!(error.message.contains("containers"), "{error}");
    }
    for at in [0, 8] {
        let mut body = encode_unique(&[(7, 2), (1, 0)]);
        body[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let _ = (
            UniqueIndex::parse(&body, 3),
            PartedIndex::parse(&body, 3),
            GroupedIndex::parse(&body, 3),
        );
    }
    let grown = peak_kib() - before;
    assert!(grown < 16 * 1024, "the address space grew by {grown} KiB");
}
