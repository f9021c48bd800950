//! What a decoder answers when the bytes are not what they should be.

/// Which of the two ways a decoder can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormatErrorKind {
    /// The bytes contradict the format: damaged, cut short, or not this structure at all.
    Corrupt,
    /// The bytes are of a newer format, or use a feature that this version does not know.
    Unsupported,
}

/// Bytes that cannot be decoded: what was found, what was expected, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {message}")]
pub struct FormatError {
    /// Damage or a newer format.
    pub kind: FormatErrorKind,
    /// Position in the input (plus the base offset that the caller gave).
    pub offset: u64,
    /// The input ended before the structure did: at the end of a growing file this is a write
    /// that did not finish, anywhere else it is damage.
    pub torn: bool,
    /// What was looked at, what was found and what was expected. Holds no row values.
    pub message: String,
}

impl FormatError {
    /// Damage at `offset`.
    #[cold]
    pub fn corrupt(offset: u64, message: impl Into<String>) -> Self {
        Self {
            kind: FormatErrorKind::Corrupt,
            offset,
            torn: false,
            message: message.into(),
        }
    }

    /// A feature or version at `offset` that this version does not know.
    #[cold]
    pub fn unsupported(offset: u64, message: impl Into<String>) -> Self {
        Self {
            kind: FormatErrorKind::Unsupported,
            offset,
            torn: false,
            message: message.into(),
        }
    }

    /// An input that ends before the structure: `needed` bytes of `what` from `offset`, only `found` there.
    #[cold]
    pub fn torn(offset: u64, what: &str, needed: u64, found: u64) -> Self {
        let message = format!("{what}: found {found} bytes, expected {needed}");
        Self {
            kind: FormatErrorKind::Corrupt,
            offset,
            torn: true,
            message,
        }
    }

    /// Whether the bytes are of a newer format rather than damaged.
    pub fn is_unsupported(&self) -> bool {
        self.kind == FormatErrorKind::Unsupported
    }
}
