//! A database that was made for an import, and how it is unmade when the import fails.
//!
//! Only a directory that did not exist before goes, only while nothing was ever committed in it, and only if no other
//! process has it open: it is renamed first, so that nobody can open it any more, and renamed back if somebody has.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use gapless::Database;

/// A directory that an import makes.
pub(in crate::commands) struct Made {
    path: PathBuf,
    existed: bool,
}

impl Made {
    /// To be called before the database is made.
    pub(in crate::commands) fn about_to(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            existed: path.symlink_metadata().is_ok(),
        }
    }

    /// Removes the database if it is still empty, and says what became of it.
    pub(in crate::commands) fn undo(self, database: Database) -> &'static str {
        const STAYS: &str = "the database that was made for it stays";
        let is_untouched = database.version().is_ok_and(|version| version.number() == 0);
        // The last handle takes this process's entry out of readers/.
        drop(database);
        if self.existed || !is_untouched {
            return STAYS;
        }
        match self.remove() {
            Some(()) => "the database that was made for it is removed again",
            None => STAYS,
        }
    }

    fn remove(&self) -> Option<()> {
        let mut name = OsString::from(".");
        name.push(self.path.file_name()?);
        name.push(format!(".{}.removed", std::process::id()));
        let aside = self.path.with_file_name(name);
        std::fs::rename(&self.path, &aside).ok()?;
        let is_open = std::fs::read_dir(aside.join("readers"))
            .map(|mut entries| entries.next().is_some())
            .unwrap_or(true);
        if is_open {
            // Nothing better is left if this fails: the process that has it open keeps working in the other name.
            let _ = std::fs::rename(&aside, &self.path);
            return None;
        }
        std::fs::remove_dir_all(&aside).ok()
    }
}
