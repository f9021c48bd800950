//! Whose rows a batch has, and whether they go on with those of the batch before.

use std::ops::Range;

use crate::source::SeriesRun;

/// Rows of one series that follow each other in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) rows: Range<usize>,
    /// Whether they follow rows of the same series in the batch before.
    pub(crate) goes_on: bool,
}

/// The runs of a batch, after one that ended with a series.
pub(crate) fn runs(last: Option<u32>, runs: &[SeriesRun]) -> Vec<Run> {
    let mut found: Vec<Run> = Vec::with_capacity(runs.len());
    let mut before = last;
    for run in runs.iter().filter(|run| !run.rows.is_empty()) {
        let goes_on = before == Some(run.series);
        match found.last_mut() {
            Some(last) if goes_on => last.rows.end = run.rows.end,
            _ => found.push(Run {
                rows: run.rows.clone(),
                goes_on,
            }),
        }
        before = Some(run.series);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_goes_on_in_the_next_batch_and_is_one_run_in_its_own() {
        let run = |series, rows| SeriesRun { series, rows };
        let batch = [run(1, 0..2), run(1, 2..5), run(2, 5..5), run(3, 5..6)];
        let found = runs(Some(1), &batch);
        let wanted = [(0..5, true), (5..6, false)].map(|(rows, goes_on)| Run { rows, goes_on });
        assert_eq!(found, wanted);
        assert!(!runs(Some(2), &batch).first().expect("a run").goes_on);
        assert!(!runs(None, &batch).first().expect("a run").goes_on);
    }
}
