//! The picture as text: a timeline for each line, a time axis, a legend, and the heat map below.

use gapless_timeline::look::{self, Look};
use gapless_timeline::{Picture, axis, cells, heat, label, percent};

use crate::error::CliError;
use crate::output::Output;
use crate::render::{instant, plural, terminal_width};

/// The width where there is no terminal.
const WIDTH: usize = 100;
/// The longest name that is shown whole.
const LABEL_MAX: usize = 24;
/// A space, and `100.0%`.
const SHARE: usize = 7;
/// A label of the axis, and a space.
const TICK: usize = 14;

/// Prints it.
pub(super) fn print(picture: &Picture, width: Option<u16>, output: &mut Output) -> Result<(), CliError> {
    let page = Page::new(picture, width, output);
    let (start, end) = (instant(picture.range.start), instant(picture.range.end));
    output.line(format!("{} from {start} to {end}", picture.table))?;
    output.line("")?;
    timelines(picture, &page, output)?;
    output.line("")?;
    heat_map(picture, &page, output)?;
    if picture.left_out > 0 {
        output.line("")?;
        let more = plural(picture.left_out as u64, "more line");
        output.line(format!("{more} left out: pass --limit or --series"))?;
    }
    Ok(())
}

/// How wide what is, and whether it is coloured.
struct Page {
    label: usize,
    cells: usize,
    colours: bool,
}

impl Page {
    fn new(picture: &Picture, width: Option<u16>, output: &Output) -> Self {
        let labels = picture
            .lines
            .iter()
            .map(|line| label(line, picture).chars().count());
        let label = labels.max().unwrap_or(0).min(LABEL_MAX);
        let width = width
            .map(usize::from)
            .or_else(|| terminal_width(output))
            .unwrap_or(WIDTH);
        Self {
            label,
            cells: width.saturating_sub(label + 1 + SHARE).max(10),
            colours: output.is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }

    fn name(&self, text: &str) -> String {
        let clean: String = text
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        let cut: String = match clean.chars().count() > self.label {
            true => clean
                .chars()
                .take(self.label.saturating_sub(1))
                .chain(['…'])
                .collect(),
            false => clean,
        };
        format!("{cut:<width$}", width = self.label)
    }

    fn drawn(&self, looks: &[Look]) -> String {
        if !self.colours {
            return looks.iter().map(|look| look.character).collect();
        }
        let mut text = String::new();
        for run in looks.chunk_by(|a, b| a.ansi == b.ansi) {
            let characters: String = run.iter().map(|look| look.character).collect();
            let ansi = run.first().map_or(0, |look| look.ansi);
            text.push_str(&format!("\x1b[{ansi}m{characters}\x1b[0m"));
        }
        text
    }

    fn legend(&self, looks: &[Look]) -> String {
        let mut seen: Vec<Look> = Vec::new();
        for look in looks {
            if !seen.contains(look) {
                seen.push(*look);
            }
        }
        let words = seen
            .iter()
            .map(|look| format!("{} {}", self.drawn(&[*look]), look.word));
        words.collect::<Vec<_>>().join("  ")
    }
}

fn timelines(picture: &Picture, page: &Page, output: &mut Output) -> Result<(), CliError> {
    let edges = cells::edges(&picture.range, page.cells);
    let mut seen = Vec::new();
    for line in &picture.lines {
        let looks = cells::looks(line, &edges);
        let (name, bar) = (page.name(&label(line, picture)), page.drawn(&looks));
        output.line(format!("{name} {bar} {:>6}", percent(line.share())))?;
        seen.extend(looks);
        seen.dedup();
    }
    let mut times = String::new();
    for (place, text) in axis::ticks(&picture.range, page.cells / TICK) {
        let column = (place * page.cells as f64).round() as usize;
        times.push_str(&" ".repeat(column.saturating_sub(times.chars().count())));
        times.push_str(&text);
    }
    output.line(format!("{} {}", " ".repeat(page.label), times))?;
    output.line(page.legend(&seen))
}

fn heat_map(picture: &Picture, page: &Page, output: &mut Output) -> Result<(), CliError> {
    let unit = heat::Unit::fitting(&picture.range, page.cells);
    let columns = unit.columns(&picture.range);
    let first = columns
        .first()
        .map(|column| unit.text(*column))
        .unwrap_or_default();
    let last = columns
        .last()
        .map(|column| unit.text(*column))
        .unwrap_or_default();
    output.line(format!("complete by {}, {first} to {last} (UTC)", unit.word()))?;
    let mut seen = Vec::new();
    for line in &picture.lines {
        let shares = unit.shares(&line.days, &columns);
        let looks: Vec<Look> = shares.into_iter().map(look::of_share).collect();
        output.line(format!(
            "{} {}",
            page.name(&label(line, picture)),
            page.drawn(&looks)
        ))?;
        seen.extend(looks);
        seen.dedup();
    }
    output.line(page.legend(&seen))
}
