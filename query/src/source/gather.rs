//! All parts of a source, on all threads, in their order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use arrow_array::{Array, RecordBatch};
use arrow_select::concat::concat_batches;
use gapless_engine::{Error, Result};
use parking_lot::Mutex;
use rayon::prelude::*;

use super::Source;
use crate::error::arrow_error;
use crate::memory::{Held, Memory};

/// Batches of a part that wait to be taken.
const WAITING_MAX: usize = 8;

/// All rows of a source.
pub(crate) fn collect(source: &dyn Source) -> Result<Vec<RecordBatch>> {
    let parts: Vec<Vec<RecordBatch>> = (0..source.parts())
        .into_par_iter()
        .map(|part| source.open(part)?.map(|rows| Ok(rows?.batch)).collect())
        .collect::<Result<_>>()?;
    Ok(parts
        .into_iter()
        .flatten()
        .filter(|batch| batch.num_rows() > 0)
        .collect())
}

/// All rows of a source as one batch, which counts as memory of the query as long as what is given beside it is kept.
pub(crate) fn keep(source: &dyn Source, memory: &Memory, what: &str) -> Result<(RecordBatch, Vec<Held>)> {
    let part = |part| {
        let mut held = memory.held();
        let mut batches = Vec::new();
        for rows in source.open(part)? {
            let batch = rows?.batch;
            held.add(bytes(&batch), what)?;
            batches.push(batch);
        }
        Ok((batches, held))
    };
    let parts = (0..source.parts())
        .into_par_iter()
        .map(part)
        .collect::<Result<Vec<_>>>()?;
    let (batches, held): (Vec<Vec<RecordBatch>>, Vec<Held>) = parts.into_iter().unzip();
    let batches: Vec<RecordBatch> = batches.into_iter().flatten().collect();
    let batch = concat_batches(source.schema(), &batches).map_err(|error| arrow_error(what, &error))?;
    Ok((batch, held))
}

/// The bytes of the values of a batch, though it may be a part of larger arrays.
pub(crate) fn bytes(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns
        .map(|column| column.to_data().get_slice_memory_size().unwrap_or_default())
        .sum()
}

/// The rows of a source, batch by batch, while other threads read on.
pub(crate) fn gather(source: Arc<dyn Source>) -> Gathered {
    let parts = source.parts();
    let threads = rayon::current_num_threads().min(parts);
    // A thread of rayon's must not wait for others that may need rayon's.
    if threads < 2 || rayon::current_thread_index().is_some() {
        return Gathered::Alone {
            source,
            part: 0,
            rows: None,
        };
    }
    let (senders, receivers): (Vec<_>, VecDeque<_>) = (0..parts).map(|_| sync_channel(WAITING_MAX)).unzip();
    let shared = Arc::new(Shared {
        source,
        senders: senders
            .into_iter()
            .map(|sender| Mutex::new(Some(sender)))
            .collect(),
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    });
    // Threads of their own: they wait for whoever takes the batches, and that may be a thread of rayon's.
    for _ in 0..threads {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || shared.work());
    }
    Gathered::Threads { shared, receivers }
}

/// Batches of a source in order. Dropping it ends the threads that read.
pub(crate) enum Gathered {
    /// Read by whoever takes the batches.
    Alone {
        source: Arc<dyn Source>,
        part: usize,
        rows: Option<super::RowsIter>,
    },
    /// Read by threads, each a part at a time.
    Threads {
        shared: Arc<Shared>,
        receivers: VecDeque<Receiver<Result<RecordBatch>>>,
    },
}

/// What the threads share.
pub(crate) struct Shared {
    source: Arc<dyn Source>,
    /// Of the parts that nobody has begun.
    senders: Vec<Mutex<Option<SyncSender<Result<RecordBatch>>>>>,
    next: AtomicUsize,
    stop: AtomicBool,
}

impl Shared {
    /// Takes part after part. Parts are taken in order, so the one that is waited for is always being read.
    fn work(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(sender) = self.senders.get(part).and_then(|sender| sender.lock().take()) else {
                return;
            };
            let read = std::panic::AssertUnwindSafe(|| self.read(part, &sender));
            if std::panic::catch_unwind(read).is_err() {
                let _ = sender.send(Err(Error::internal("a thread of a query has panicked")));
            }
        }
    }

    fn read(&self, part: usize, sender: &SyncSender<Result<RecordBatch>>) {
        let rows = match self.source.open(part) {
            Ok(rows) => rows,
            Err(error) => {
                let _ = sender.send(Err(error));
                return;
            }
        };
        for rows in rows {
            let failed = rows.is_err();
            if sender.send(rows.map(|rows| rows.batch)).is_err() || failed {
                return;
            }
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        if let Self::Threads { shared, receivers } = self {
            shared.stop.store(true, Ordering::Relaxed);
            receivers.clear();
        }
    }
}

impl Iterator for Gathered {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let next = match self {
                Self::Alone { source, part, rows } => match rows {
                    Some(open) => match open.next() {
                        Some(rows) => rows.map(|rows| rows.batch),
                        None => {
                            (*rows, *part) = (None, *part + 1);
                            continue;
                        }
                    },
                    None if *part >= source.parts() => return None,
                    None => match source.open(*part) {
                        Ok(open) => {
                            *rows = Some(open);
                            continue;
                        }
                        Err(error) => Err(error),
                    },
                },
                Self::Threads { receivers, .. } => match receivers.front()?.recv() {
                    Ok(batch) => batch,
                    Err(_) => {
                        receivers.pop_front();
                        continue;
                    }
                },
            };
            match next {
                Ok(batch) if batch.num_rows() == 0 => {}
                Ok(batch) => return Some(Ok(batch)),
                Err(error) => {
                    self.end();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Gathered {
    /// After a failure nothing more comes.
    fn end(&mut self) {
        match self {
            Self::Alone { source, part, rows } => {
                *part = source.parts();
                *rows = None;
            }
            Self::Threads { shared, receivers } => {
                shared.stop.store(true, Ordering::Relaxed);
                receivers.clear();
            }
        }
    }
}
