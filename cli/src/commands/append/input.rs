//! Standard input, piece by piece as it comes.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::error::CliError;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that wait.
const PIECES_AHEAD: usize = 4;

/// What came.
#[derive(Debug)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    /// Nothing, for a while.
    Pause,
    End,
}

/// A thread that reads standard input. It ends with the process: a read cannot be broken off.
pub(crate) struct Input {
    pieces: Receiver<std::io::Result<Vec<u8>>>,
}

impl Input {
    pub(crate) fn stdin() -> Result<Self, CliError> {
        let (sender, pieces) = sync_channel(PIECES_AHEAD);
        std::thread::Builder::new()
            .name("gapless-stdin".to_owned())
            .spawn(move || {
                let mut stdin = std::io::stdin().lock();
                let mut buffer = vec![0; PIECE_BYTES];
                loop {
                    let read = match stdin.read(&mut buffer) {
                        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                        read => read.map(|len| buffer.get(..len).unwrap_or_default().to_vec()),
                    };
                    let is_last = read.as_ref().map_or(true, Vec::is_empty);
                    if sender.send(read).is_err() || is_last {
                        return;
                    }
                }
            })
            .map_err(|error| CliError::io("cannot start a thread", &error))?;
        Ok(Self { pieces })
    }

    /// What comes next within some time.
    pub(crate) fn next(&self, limit: Duration) -> Result<Piece, CliError> {
        match self.pieces.recv_timeout(limit) {
            Ok(Ok(bytes)) if bytes.is_empty() => Ok(Piece::End),
            Ok(Ok(bytes)) => Ok(Piece::Bytes(bytes)),
            Ok(Err(error)) => Err(CliError::io("cannot read standard input", &error)),
            Err(RecvTimeoutError::Timeout) => Ok(Piece::Pause),
            Err(RecvTimeoutError::Disconnected) => {
                Err(CliError::internal("the thread that reads standard input died"))
            }
        }
    }
}
