//! Progress bars: on standard error, and only if it is a terminal.

use std::borrow::Cow;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over bytes.
pub(crate) fn bytes(total: u64, doing: impl Into<Cow<'static, str>>) -> ProgressBar {
    bar(
        total,
        "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        doing,
    )
}

/// A bar over things that are counted.
pub(crate) fn count(total: u64, doing: impl Into<Cow<'static, str>>) -> ProgressBar {
    bar(total, "{msg} {wide_bar} {human_pos}/{human_len} {eta}", doing)
}

/// `ProgressBar::new` draws nothing unless standard error is a terminal.
fn bar(total: u64, template: &str, doing: impl Into<Cow<'static, str>>) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(doing);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸─")),
        Err(_) => bar,
    }
}
