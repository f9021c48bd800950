//! What goes wrong, and when.

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails as with `EIO`. Half of the bytes of a write are in the file all the same.
    Io,
    /// The call fails as with `ENOSPC`. Half of the bytes of a write are in the file all the same.
    NoSpace,
    /// The first sync at or after the call fails, forgets what was pending and leaves the page cache as it
    /// is: the file still reads right, and the next sync succeeds without what was lost ("fsyncgate").
    /// The sync of a directory fails and loses nothing.
    LostSync,
    /// The power goes during the call: it and all later ones fail, and its effect is pending like any other.
    Crash,
}

/// A fault and the call it strikes.
///
/// Calls that change something are counted from 1: create, append, `write_at`, truncate, sync, rename, remove,
/// `create_dir`, `sync_dir`, the creation of a lock file and writes into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    /// The number of the first call that is struck.
    pub at_call: u64,
    /// What happens to it.
    pub fault: Fault,
    /// Strike every later call too.
    pub is_lasting: bool,
}

impl FaultPlan {
    /// Strike one call.
    #[must_use]
    pub fn once(at_call: u64, fault: Fault) -> Self {
        Self {
            at_call,
            fault,
            is_lasting: false,
        }
    }

    /// Strike a call and all later ones.
    #[must_use]
    pub fn forever(at_call: u64, fault: Fault) -> Self {
        Self {
            at_call,
            fault,
            is_lasting: true,
        }
    }
}

/// What a call is, as far as faults care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallKind {
    /// A change of bytes or names.
    Change,
    /// The sync of a file.
    Sync,
    /// The sync of a directory.
    SyncDir,
}

impl FaultPlan {
    /// The fault that strikes call number `call`; `struck` tells whether one was struck before.
    pub(super) fn strikes(&self, call: u64, kind: CallKind, struck: bool) -> Option<Fault> {
        let is_due = match self.fault {
            Fault::LostSync => {
                kind != CallKind::Change && call >= self.at_call && (self.is_lasting || !struck)
            }
            _ => call == self.at_call || (self.is_lasting && call > self.at_call),
        };
        is_due.then_some(self.fault)
    }
}
