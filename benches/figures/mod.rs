//! Benches whose figures are one run each, and not a loop.

use crate::data::is_test;

/// Measures the figures that the arguments name, or all without any.
pub fn run(figures: &[(&str, fn())]) {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'))
        .collect();
    for (name, measure) in figures {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure();
        }
    }
}

/// A size, or a tiny one when the benches are only run to see that they work.
pub fn size(full: usize, test: usize) -> usize {
    if is_test() { test } else { full }
}
