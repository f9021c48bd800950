//! What has to have happened when a streamed commit returns.

/// How durable a streamed commit is when it returns. Bulk commits are always durable.
///
/// | | process killed | operating system crashes, power cut |
/// | --- | --- | --- |
/// | `Sync` | kept | kept |
/// | `Interval(ms)` | kept | the last `ms` milliseconds may be lost |
/// | `Buffered` | kept | what the system had not written by itself may be lost |
///
/// What is lost is always the newest part of a stream: never a commit from its middle, never half of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// On the disk. Threads that commit at the same time share one sync.
    #[default]
    Sync,
    /// Handed to the operating system; a background thread syncs every so many milliseconds.
    Interval(u64),
    /// Handed to the operating system, which writes it when it likes.
    Buffered,
}
