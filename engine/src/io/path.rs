//! [`RelPath`]: a path inside a database that cannot leave it.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The longest component, in bytes, that every common file system takes.
const COMPONENT_BYTES_MAX: usize = 255;

/// A path inside the database: components separated by `/`, relative to the root of the [`Storage`](super::Storage).
///
/// No component is empty, `.` or `..`, longer than 255 bytes, or contains `/` or NUL. The root itself is the path
/// without components. Ordered by its text.
///
/// ```
/// use gapless_engine::io::RelPath;
/// let path = RelPath::new("tables/trade")?.join("2026-11-20")?;
/// assert_eq!(path.to_string(), "tables/trade/2026-11-20");
/// assert_eq!(path.parent(), Some(RelPath::new("tables/trade")?));
/// assert!(RelPath::new("../etc").is_err());
/// # Ok::<(), gapless_engine::error::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(String);

impl RelPath {
    /// The root of the database.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// A path that the program names itself.
    pub(crate) fn from_static(text: &'static str) -> Self {
        debug_assert!(Self::new(text).is_ok());
        Self(text.to_owned())
    }

    /// The path that `text` spells.
    ///
    /// # Errors
    /// `Invalid` when a component is not allowed; the empty text too: the root is [`RelPath::root`].
    pub fn new(text: &str) -> Result<Self> {
        text.split('/').try_for_each(|component| check(component, text))?;
        Ok(Self(text.to_owned()))
    }

    /// This path with one or more components after it.
    ///
    /// # Errors
    /// `Invalid` when a component of `tail` is not allowed.
    pub fn join(&self, tail: &str) -> Result<Self> {
        let tail = Self::new(tail)?;
        Ok(if self.is_root() {
            tail
        } else {
            Self(format!("{}/{tail}", self.0))
        })
    }

    /// The directory this path lies in; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        Some(Self(self.split_last()?.0.to_owned()))
    }

    /// The last component; `None` for the root.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        Some(self.split_last()?.1)
    }

    /// True for the root of the database.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components, from the root on.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// The text, with `/` between components; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parent's text and the name; `None` for the root.
    pub(super) fn split_last(&self) -> Option<(&str, &str)> {
        if self.is_root() {
            return None;
        }
        Some(self.0.rsplit_once('/').unwrap_or(("", &self.0)))
    }
}

fn check(component: &str, whole: &str) -> Result<()> {
    let reason = match component {
        "" => "has an empty component (a path is relative, without doubled or trailing `/`)",
        "." | ".." => "has a `.` or `..` component",
        _ if component.contains('\0') => "contains a NUL",
        _ if component.len() > COMPONENT_BYTES_MAX => "has a component longer than 255 bytes",
        _ => return Ok(()),
    };
    Err(Error::invalid(format!("path {whole:?} {reason}")))
}

impl FromStr for RelPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelPath({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn paths_that_could_leave_the_database_are_refused() {
        let long = "x".repeat(256);
        for text in [
            "", "/", "/etc", "..", "a/..", "a/../b", ".", "./a", "a//b", "a/", "a\0b", &long,
        ] {
            let error = RelPath::new(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?}");
            assert!(RelPath::root().join(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn join_parent_and_name_agree() {
        let path = RelPath::root()
            .join("a")
            .and_then(|a| a.join("b/c"))
            .expect("valid");
        assert_eq!(path.components().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(path.name(), Some("c"));
        let parent = path.parent().expect("not the root");
        assert_eq!(parent.join("c").expect("valid"), path);
        assert_eq!(parent.parent().and_then(|a| a.parent()), Some(RelPath::root()));
        assert_eq!(RelPath::root().parent(), None);
        assert_eq!(RelPath::root().components().count(), 0);
        assert_eq!(RelPath::root().to_string(), ".");
    }

    #[test]
    fn names_with_dots_spaces_and_letters_of_any_script_are_components() {
        for text in ["..a", "a b", "...", "é/日本", &"x".repeat(255)] {
            assert!(RelPath::new(text).is_ok(), "{text:?}");
        }
    }
}
