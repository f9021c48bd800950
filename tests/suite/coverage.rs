//! Coverage: what is known of ranges, whoever said it and wherever it is kept.

mod fixture;
mod model;
mod rules;
mod slots;
