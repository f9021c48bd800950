//! `leases/LEASES`: whether the next fill reads what it says. Leases are no data: damage to them loses no row.

use gapless_format::{HEADER_LEN, LeaseLogHeader, LeaseOutcome, decode_lease_record};

use super::finding::{Finding, FindingKind, Sink};
use super::source::Source;
use crate::error::ErrorKind;
use crate::io::RelPath;

/// Reads of a log that is written meanwhile.
const ATTEMPTS: usize = 3;

/// Checks the log of leases.
pub(super) fn check(source: &Source<'_>, database: Option<u128>, sink: &Sink) {
    let path = RelPath::from_static("leases/LEASES");
    let mut found = None;
    // A worker appends and replaces it without asking: what is half written is whole a moment later.
    for _ in 0..ATTEMPTS {
        found = match source.storage.read(&path, u64::MAX) {
            Ok(bytes) => of_log(&path, &bytes, database),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => Some(Finding::of_error(&path, &error)),
        };
        if found.is_none() {
            return;
        }
        std::thread::yield_now();
    }
    found.into_iter().for_each(|finding| sink.add(finding));
}

/// The first thing that is wrong with a log.
fn of_log(path: &RelPath, bytes: &[u8], database: Option<u128>) -> Option<Finding> {
    let rebuilt = |message: String, offset: u64| {
        let message = format!(
            "{message}; the leases from here on are not read, and no row is lost: the next fill makes the file anew"
        );
        Some(
            Finding::warning(FindingKind::Leases, message)
                .file(path)
                .at(offset),
        )
    };
    let (header, mut chain) = match LeaseLogHeader::decode(bytes) {
        Ok(found) => found,
        Err(error) if error.is_unsupported() => {
            return Some(Finding::of_format(FindingKind::Leases, path, &error, ""));
        }
        Err(error) => return rebuilt(error.message, error.offset),
    };
    if database.is_some_and(|database| database != header.database) {
        let message = format!(
            "the leases are of database {:032x}: no fill runs until the file is removed",
            header.database
        );
        return Some(Finding::warning(FindingKind::Leases, message).file(path));
    }
    let mut at = HEADER_LEN;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match decode_lease_record(rest, chain, at as u64) {
            Ok(LeaseOutcome::Record { chain: next, len, .. }) => (chain, at) = (next, at + len),
            Ok(LeaseOutcome::End) => return None,
            Ok(LeaseOutcome::Torn { offset, reason }) => {
                // A record that the file does not hold whole was being written when its worker went.
                let len = rest.first_chunk().map(|len| u32::from_le_bytes(*len) as usize);
                if len.is_none_or(|len| len > rest.len()) {
                    let message = "a change of the leases that did not finish; the next fill removes it";
                    return Some(Finding::note(FindingKind::Leases, message).file(path).at(offset));
                }
                return rebuilt(reason, offset);
            }
            Err(error) => return Some(Finding::of_format(FindingKind::Leases, path, &error, "")),
        }
    }
}
