//! Gaps filled from sources that do everything a source can do wrong, and by many workers at once.

mod child;
mod content;
mod failures;
mod fixture;
mod processes;
mod resample;
mod short;
mod stale;
mod storm;
