//! A calendar as TOML: the form in which it is stored, shown and edited.

mod read;
mod write;

use crate::calendar::Calendar;
use crate::error::Result;

impl Calendar {
    /// The calendar that a text describes. The comment at the head of what [`Calendar::to_text`] writes explains the form.
    ///
    /// ```
    /// use gapless_engine::calendar::Calendar;
    /// let text = r#"
    /// zone = "America/Chicago"
    /// [[session]]
    /// days = "sun-thu"
    /// open = "17:00"
    /// close = "16:00"
    /// "#;
    /// let calendar = Calendar::from_text(text)?;
    /// assert!(calendar.is_open(0)); // a Wednesday, 18:00
    /// # Ok::<(), gapless_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`, with the line, for what is not TOML, for unknown keys, and for values that cannot be.
    pub fn from_text(text: &str) -> Result<Self> {
        read::calendar(text)
    }

    /// The calendar as text, from which [`Calendar::from_text`] makes an equal one. Equal calendars have equal text.
    #[must_use]
    pub fn to_text(&self) -> String {
        write::calendar(self)
    }
}
