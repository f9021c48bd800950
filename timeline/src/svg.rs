//! The picture as a file: self-contained SVG, with the range and its state where the mouse is.

use std::fmt::Write;
use std::ops::Range;

use crate::heat::Unit;
use crate::lines::{Line, Picture};
use crate::look::{self, Look};
use crate::text::{instant, label, percent};
use crate::{axis, cells};

const WIDTH: f64 = 1000.0;
const ROW: f64 = 18.0;
const BAR: f64 = 14.0;
const MARGIN: f64 = 12.0;
/// Of a character of a label, about.
const CHARACTER: f64 = 7.0;
/// A gap is seen however short it is.
const GAP_LEAST: f64 = 1.5;
const KNOWN_LEAST: f64 = 0.3;
/// A line of more ranges is drawn in cells of a pixel.
const RANGES_MAX: usize = 2_000;

/// The picture as the text of a file, so many pixels wide; 1000 unless told otherwise.
pub fn svg(picture: &Picture, width: Option<u16>) -> String {
    let mut page = Page::new(picture, width);
    page.titled(picture);
    for line in &picture.lines {
        page.timeline(picture, line);
    }
    page.axis(picture);
    let looks = legend_of(picture);
    page.legend(&looks);
    page.heat_map(picture);
    if picture.left_out > 0 {
        page.text(MARGIN, &format!("{} more series left out", picture.left_out));
        page.y += ROW;
    }
    page.finish()
}

struct Page {
    text: String,
    width: f64,
    /// Where bars begin and how wide they are.
    left: f64,
    bar: f64,
    y: f64,
}

impl Page {
    fn new(picture: &Picture, width: Option<u16>) -> Self {
        let width = width.map_or(WIDTH, f64::from);
        let labels = picture
            .lines
            .iter()
            .map(|line| label(line, picture).chars().count());
        let longest = labels.max().unwrap_or(0).min(30) as f64;
        let left = (MARGIN * 2.0 + longest * CHARACTER).min(width / 2.0);
        Self {
            text: String::new(),
            width,
            left,
            bar: (width - left - MARGIN - 52.0).max(10.0),
            y: MARGIN,
        }
    }

    fn put(&mut self, element: &str) {
        self.text.push_str(element);
        self.text.push('\n');
    }

    /// Text at a place of the present row.
    fn text(&mut self, x: f64, text: &str) {
        let (y, text) = (self.y + BAR - 3.0, escaped(text));
        self.put(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"));
    }

    fn rect(&mut self, x: f64, width: f64, fill: &str, title: &str) {
        let (y, title) = (self.y, escaped(title));
        self.put(&format!(
            "<rect x=\"{x:.2}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{BAR}\" fill=\"{fill}\"><title>{title}</title></rect>"
        ));
    }

    fn titled(&mut self, picture: &Picture) {
        let (start, end) = (instant(picture.range.start), instant(picture.range.end));
        self.text(MARGIN, &format!("{} from {start} to {end}", picture.table));
        self.y += ROW * 1.5;
    }

    fn x(&self, picture: &Picture, time: i64) -> f64 {
        let from = |time: i64| (i128::from(time) - i128::from(picture.range.start)) as f64;
        self.left + from(time) / from(picture.range.end).max(1.0) * self.bar
    }

    fn timeline(&mut self, picture: &Picture, line: &Line) {
        let name = label(line, picture);
        self.text(MARGIN, &shortened(&name));
        self.rect(
            self.left,
            self.bar,
            look::CLOSED.fill,
            &background_title(picture, line, &name),
        );
        for (range, look, more) in spans(picture, line, self.bar as usize) {
            let (x, end) = (self.x(picture, range.start), self.x(picture, range.end));
            let least = if look::is_missing(&look) {
                GAP_LEAST
            } else {
                KNOWN_LEAST
            };
            let wide = (end - x).max(least);
            // What is made wider stays inside of the line.
            let x = x.min(self.left + self.bar - wide);
            let (start, until) = (instant(range.start), instant(range.end));
            let title = format!("{name}: {} from {start} to {until}{more}", look.word);
            self.rect(x, wide, look.fill, &title);
        }
        self.text(self.left + self.bar + 6.0, &percent(line.share()));
        self.y += ROW;
    }

    fn axis(&mut self, picture: &Picture) {
        for (place, text) in axis::ticks(&picture.range, (self.bar / 110.0) as usize) {
            self.text(self.left + place * self.bar, &text);
        }
        self.y += ROW;
    }

    fn legend(&mut self, looks: &[Look]) {
        let mut x = self.left;
        for look in looks {
            self.rect(x, BAR, look.fill, look.word);
            self.text(x + BAR + 4.0, look.word);
            x += BAR + 16.0 + look.word.len() as f64 * CHARACTER;
        }
        self.y += ROW * 2.0;
    }

    fn heat_map(&mut self, picture: &Picture) {
        let unit = Unit::fitting(&picture.range, ((self.bar / 3.0) as usize).max(1));
        let columns = unit.columns(&picture.range);
        self.text(MARGIN, &format!("complete by {} (UTC)", unit.word()));
        self.y += ROW;
        let width = self.bar / columns.len().max(1) as f64;
        let mut looks: Vec<Look> = Vec::new();
        for line in &picture.lines {
            let name = label(line, picture);
            self.text(MARGIN, &shortened(&name));
            let shares = unit.shares(&line.days, &columns);
            for (at, (column, share)) in columns.iter().zip(shares).enumerate() {
                let look = look::of_share(share);
                let title = format!("{name}, {}: {}", unit.text(*column), percent(share));
                self.rect(self.left + at as f64 * width, width, look.fill, &title);
                if !looks.contains(&look) {
                    looks.push(look);
                }
            }
            self.y += ROW;
        }
        self.legend(&looks);
    }

    fn finish(self) -> String {
        let (width, height) = (self.width, self.y + MARGIN);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" \
             height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.text
        )
    }
}

/// What is behind the ranges of a line: where nothing else is drawn, nothing is expected.
fn background_title(picture: &Picture, line: &Line, name: &str) -> String {
    let (start, end) = (instant(picture.range.start), instant(picture.range.end));
    let is_all = line.expected.as_slice() == [picture.range.clone()];
    let share = match line.share() {
        None => "no rows are expected".to_owned(),
        share => format!("{} of what is expected is covered", percent(share).trim()),
    };
    let closed = if is_all || line.share().is_none() {
        ""
    } else {
        "; no rows are expected here"
    };
    format!("{name} from {start} to {end}: {share}{closed}")
}

/// What is drawn of a line, later over earlier: ranges that are known and gaps, or cells where there are too many.
fn spans(picture: &Picture, line: &Line, cells_max: usize) -> Vec<(Range<i64>, Look, String)> {
    if line.known.len() + line.missing.len() > RANGES_MAX {
        let edges = cells::edges(&picture.range, cells_max);
        let looks = cells::looks(line, &edges);
        let cells = edges.into_iter().zip(looks);
        let (gaps, others): (Vec<_>, Vec<_>) = cells
            .map(|(range, look)| (range, look, String::new()))
            .partition(|(_, look, _)| look::is_missing(look));
        return others.into_iter().chain(gaps).collect();
    }
    let known = line.known.iter().map(|known| {
        let mut more = String::new();
        if !known.source.is_empty() {
            let _ = write!(more, ", from {}", known.source);
        }
        if let Some(rows) = known.rows {
            let _ = write!(more, ", {rows} rows");
        }
        (known.start..known.end, look::of(known.state), more)
    });
    let missing = line
        .missing
        .iter()
        .map(|gap| (gap.clone(), look::GAP, String::new()));
    // What is missing is drawn over what is there, and what is said of a gap, that it is partial or lost, over it.
    let (said_missing, there): (Vec<_>, Vec<_>) = known.partition(|(_, look, _)| look::is_missing(look));
    there.into_iter().chain(missing).chain(said_missing).collect()
}

fn legend_of(picture: &Picture) -> Vec<Look> {
    let mut looks: Vec<Look> = Vec::new();
    for line in &picture.lines {
        for (_, look, _) in spans(picture, line, 100) {
            if !looks.contains(&look) {
                looks.push(look);
            }
        }
    }
    looks
}

fn shortened(text: &str) -> String {
    match text.chars().count() > 30 {
        true => text.chars().take(29).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Text as XML has it. Characters that XML cannot have become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn names_cannot_leave_their_element() {
        assert_eq!(escaped("a<b>&\"c\"'"), "a&lt;b&gt;&amp;&quot;c&quot;&apos;");
        assert_eq!(escaped("a\u{0}b\n"), "a\u{fffd}b\u{fffd}");
    }
}
