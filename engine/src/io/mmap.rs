//! The only unsafe code of the workspace: a read-only map of a whole file.
//!
//! Nothing is written through a map, and gapless never changes or cuts a published file.

#![expect(
    unsafe_code,
    reason = "mapping a file into memory is unsafe by nature; this module is the one place for it"
)]

use std::fs::File;

use bytes::Bytes;
use memmap2::MmapOptions;

/// Maps the first `len` bytes of `file` read-only. The map holds no descriptor and outlives `file` and its name.
///
/// `len` must not be 0 or more than the file's length.
pub(super) fn map_read_only(file: &File, len: usize) -> std::io::Result<Bytes> {
    let mut options = MmapOptions::new();
    options.len(len);
    // SAFETY: `&[u8]` over a map is sound while nobody changes the mapped bytes. Within gapless this holds: callers
    // map published files (segments and symbol frames), which are written and synced under names no reader knows,
    // and afterwards only ever renamed, unlinked (the pages stay until unmapped) or appended to behind `len`.
    // What could break it: another program that writes into the directory, or cuts a file, while it is open. A
    // change shows wrong bytes, which page checksums catch only if it came before the check; a cut raises SIGBUS on
    // touch. Directories that others may write are therefore opened with `Access::Copy`, which never comes here.
    let map = unsafe { options.map(file) }?;
    Ok(Bytes::from_owner(map))
}
