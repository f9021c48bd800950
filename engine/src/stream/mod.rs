//! Streams: the write-ahead log of each writing process, and the memtables of what it holds.
//!
//! - Each process that streams has one stream, [`Stream`]: a directory below `wal/` that it holds a lock on.
//! - A commit is one record. It is in the log before it is in memory, and acknowledged when it is as durable as the
//!   caller asked; threads that wait at the same time share one sync ([`group_commit`]).
//! - A log file and a memtable begin and end together. A flush makes segments of a sealed one, and the commit that
//!   names them moves the stream's checkpoint: from then on the file is not needed.
//! - What other processes stream is read from their logs ([`tail`]). The stream of a process that died is flushed by
//!   the next one that opens the database ([`recovery`]).

mod codec;
mod flush;
mod group_commit;
mod hidden;
mod log;
mod own;
mod prepared;
mod primitives;
mod recovery;
mod tail;

pub(crate) use codec::stream_columns;
pub(crate) use flush::{FlushTarget, flush_memtable};
pub(crate) use log::{ask_to_flush, first_lsn, lock_path, stream_path};
pub(crate) use own::{Appended, Room, Stream};
pub(crate) use prepared::{Prepared, PreparedRows};
pub(crate) use recovery::{recover_dead, remove_ended, remove_stream};
pub(crate) use tail::Tails;
