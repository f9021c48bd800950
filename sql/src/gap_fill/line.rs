//! Values on a line: from the last value before to the first after, by the starts of their buckets.

/// One column's line, of one group.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// The last value that was given.
    left: Option<(i64, f64)>,
    right: Right,
    /// From where on the next value is looked for: the number of a batch, and a row.
    pub(super) seen: (usize, usize),
}

/// The next value.
#[derive(Debug, Clone, Copy, Default)]
enum Right {
    #[default]
    Unknown,
    /// The group has no other.
    None,
    At((i64, f64)),
}

impl Line {
    /// Whether the next value has to be looked for before a value can be told.
    pub(super) fn needs_right(&self) -> bool {
        self.left.is_some() && matches!(self.right, Right::Unknown)
    }

    /// The next value was found, or there is none.
    pub(super) fn found(&mut self, right: Option<(i64, f64)>) {
        self.right = right.map_or(Right::None, Right::At);
    }

    /// A value is given.
    pub(super) fn give(&mut self, point: (i64, f64)) {
        self.left = Some(point);
        self.right = Right::Unknown;
    }

    /// The value at a time between the two: as `gapless_query::fill::linear` has it.
    #[expect(clippy::cast_precision_loss, reason = "a share of a length of time")]
    pub(super) fn at(&self, time: i64) -> Option<f64> {
        let ((start, from), Right::At((end, to))) = (self.left?, self.right) else {
            return None;
        };
        let length = end.wrapping_sub(start).cast_unsigned() as f64;
        let share = time.wrapping_sub(start).cast_unsigned() as f64 / length;
        Some(from + (to - from) * share)
    }
}
