//! What a query will do, for people.

use std::fmt::Write;

use gapless_engine::Result;

use crate::operator::Input;

/// A line for each operator, what it reads below it; under each scan what it touches and leaves out.
pub(crate) fn explain(input: &Input) -> Result<String> {
    let mut text = String::new();
    lines(input, 0, &mut text)?;
    Ok(text)
}

fn lines(input: &Input, depth: usize, text: &mut String) -> Result<()> {
    let indent = "  ".repeat(depth);
    let _ = writeln!(text, "{indent}{}", input.describe());
    if let Some(scan) = input.as_scan() {
        for line in scan.clone().explain()?.to_string().lines() {
            let _ = writeln!(text, "{indent}  {line}");
        }
    }
    input
        .inputs()
        .into_iter()
        .try_for_each(|input| lines(input, depth + 1, text))
}
