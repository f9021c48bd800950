//! Inference: from the first rows of the files to one schema, with the reason for every choice.

mod files;
mod plan;
mod sample;
mod time_column;

pub(crate) use files::{JsonLines, nested, open_csv, open_csv_lines, open_json};
pub(crate) use plan::{ColumnPlan, Input};
pub use plan::{Decision, Plan, plan, plan_text};
