//! Live sessions.

/// How the batch of what a session states begins; the stream's id in hexadecimal digits follows.
const BATCH: &str = "session ";

/// The batch of what session `number` of a stream states.
pub(crate) fn session_batch(stream: u64, number: u64) -> String {
    format!("{BATCH}{stream:016x}-{number}")
}

/// The stream of the session that a batch names.
pub(crate) fn stream_of(batch: &str) -> Option<u64> {
    let (stream, _) = batch.strip_prefix(BATCH)?.split_once('-')?;
    u64::from_str_radix(stream, 16).ok()
}
