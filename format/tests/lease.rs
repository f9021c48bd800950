//! Records of leases: what is written is read, a record stands only where it was written, and what a newer gapless says
//! is unsupported rather than dropped. A record that were taken at another place would bring back a lease that is over.

mod common;

use common::*;
use gapless_format::*;

/// Puts the right checksum behind changed bytes.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - 8;
    let sum = checksum(&bytes[..at]);
    bytes[at..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn items_at(bytes: &[u8], chain: u64) -> Option<(Vec<LeaseItem>, u64, usize)> {
    match decode_lease_record(bytes, chain, 0).unwrap() {
        LeaseOutcome::Record { items, chain, len } => Some((items, chain, len)),
        LeaseOutcome::End | LeaseOutcome::Torn { .. } => None,
    }
}

#[test]
fn a_log_reads_back_record_by_record() {
    let (header, mut chain) = lease_header().encode();
    assert_eq!(LeaseLogHeader::decode(&header), Ok((lease_header(), chain)));
    let mut log = Vec::new();
    let mut write_chain = chain;
    for item in lease_items() {
        let (record, next) = encode_lease_record(write_chain, &[item]);
        log.extend(record);
        write_chain = next;
    }
    let mut rest = log.as_slice();
    let mut read = Vec::new();
    while let Some((items, next, len)) = items_at(rest, chain) {
        read.extend(items);
        (rest, chain) = (&rest[len..], next);
    }
    assert_eq!(read, lease_items());
    assert_eq!((rest.len(), chain), (0, write_chain));
}

#[test]
fn a_flipped_version_is_damage_and_no_newer_gapless() {
    let (header, _) = lease_header().encode();
    for byte in 8..12 {
        for bit in 0..8 {
            let mut flipped = header.to_vec();
            flipped[byte] ^= 1 << bit;
            let error = LeaseLogHeader::decode(&flipped).unwrap_err();
            assert!(!error.is_unsupported(), "byte {byte}, bit {bit}: {error}");
        }
    }
    let mut newer = header.to_vec();
    newer[9] = 1;
    let error = LeaseLogHeader::decode(&resealed(newer)).unwrap_err();
    assert!(error.is_unsupported(), "{error}");
}

#[test]
fn a_record_is_valid_only_behind_the_one_it_was_written_behind() {
    let (record, next) = encode_lease_record(5, &lease_items());
    assert!(items_at(&record, 5).is_some());
    assert!(items_at(&record, 6).is_none());
    let (second, _) = encode_lease_record(next, &lease_items());
    assert!(items_at(&second, 5).is_none(), "its predecessor is missing");
}

#[test]
fn an_unknown_kind_and_a_tag_that_must_be_understood_are_unsupported() {
    let (record, _) = encode_lease_record(5, &lease_items());
    // The kind; the first item's tag; how the last lease ended.
    for at in [4, 16, record.len() - 9] {
        let mut newer = record.clone();
        newer[at] = 77;
        let error = decode_lease_record(&resealed(newer), 5, 0).unwrap_err();
        assert!(error.is_unsupported(), "{error}");
    }
    let mut skipped = record.clone();
    (skipped[16], skipped[18]) = (77, 0);
    let (items, ..) = items_at(&resealed(skipped), 5).unwrap();
    assert_eq!(items, lease_items()[1..]);
}

#[test]
fn a_lease_that_contradicts_itself_is_corrupt() {
    let good = lease_record();
    let bad = [
        LeaseRecord {
            start: good.end,
            ..good.clone()
        },
        LeaseRecord {
            interval: -1,
            ..good.clone()
        },
        LeaseRecord {
            completion_permille: 1001,
            ..good
        },
    ];
    for lease in bad {
        let (record, _) = encode_lease_record(5, &[LeaseItem::Claim(lease.clone())]);
        let error = decode_lease_record(&record, 5, 0).unwrap_err();
        assert!(!error.is_unsupported(), "{lease:?}: {error}");
    }
}
