//! The only unsafe code of the workspace: a read-only map of a whole file.
//!
//! Nothing is written through a map, and gapless never changes or cuts a published file.

#![expect(
    unsafe_code,
    reason = "mapping a file into memory is unsafe by nature; this module is the one place for it"
)]

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::{Advice, Mmap, MmapOptions};

/// Bytes that the kernel is asked for at once: it reads no more of a longer request than its limit for one device request, which
/// is often little more than this.
const ASKED_BYTES: usize = 1 << 20;

/// A read-only map of a file; clones share it.
#[derive(Debug, Clone)]
pub(super) struct FileMap(Arc<Mmap>);

impl FileMap {
    /// The mapped bytes, which keep the map alive.
    pub(super) fn bytes(&self) -> Bytes {
        Bytes::from_owner(self.clone())
    }

    /// Has the kernel begin to read a range that is not in memory, and only that: a touch alone waits for what it reads, and reads
    /// far around it. It is a hint; a kernel that refuses it reads on touch.
    pub(super) fn will_need(&self, range: Range<usize>) {
        let end = range.end.min(self.0.len());
        for at in (range.start..end).step_by(ASKED_BYTES) {
            let _ = self
                .0
                .advise_range(Advice::WillNeed, at, ASKED_BYTES.min(end - at));
        }
    }
}

impl AsRef<[u8]> for FileMap {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Maps the first `len` bytes of `file` read-only. The map holds no descriptor and outlives `file` and its name.
///
/// `len` must not be 0 or more than the file's length.
pub(super) fn map_read_only(file: &File, len: usize) -> std::io::Result<FileMap> {
    let mut options = MmapOptions::new();
    options.len(len);
    // SAFETY: `&[u8]` over a map is sound while nobody changes the mapped bytes. Within gapless this holds: callers
    // map published files (segments and symbol frames), which are written and synced under names no reader knows,
    // and afterwards only ever renamed, unlinked (the pages stay until unmapped) or appended to behind `len`.
    // What could break it: another program that writes into the directory, or cuts a file, while it is open. A
    // change shows wrong bytes, which page checksums catch only if it came before the check; a cut raises SIGBUS on
    // touch. Directories that others may write are therefore opened with `Access::Copy`, which never comes here.
    let map = unsafe { options.map(file) }?;
    Ok(FileMap(Arc::new(map)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_range_that_is_asked_for_ahead_may_lie_anywhere_and_changes_nothing() {
        let mut file = tempfile::tempfile().expect("a file");
        let written: Vec<u8> = (0..3 * ASKED_BYTES + 5).map(|at| (at % 251) as u8).collect();
        file.write_all(&written).expect("written");
        let map = map_read_only(&file, written.len()).expect("a map");
        for range in [
            0..0,
            7..64,
            4095..4097,
            0..written.len(),
            5..usize::MAX,
            usize::MAX - 1..usize::MAX,
        ] {
            map.will_need(range);
        }
        assert_eq!(map.bytes(), written);
    }
}
