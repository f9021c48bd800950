//! Files that must not be written because they are in a database.

use std::path::{Path, PathBuf};

/// What each database has in its directory.
const MARK: &str = "GAPLESS";

/// The database in whose directory a file lies, or would.
pub fn database_around(file: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(file).ok()?;
    // What is there already may be a link.
    let mut existing = absolute.ancestors().filter_map(|path| path.canonicalize().ok());
    let nearest = existing.next()?;
    let around = nearest
        .ancestors()
        .find(|directory| directory.join(MARK).is_file());
    around.map(Path::to_path_buf)
}
