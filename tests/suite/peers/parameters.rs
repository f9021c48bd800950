//! What the queries of `benches/compare` ask for, from the generator's `meta.json`.

use std::path::Path;

const NS: i64 = 1_000_000_000;
pub const MINUTE: i64 = 60 * NS;
const HOUR: i64 = 3600 * NS;
pub const DAY: i64 = 24 * HOUR;

/// Times are nanoseconds since the epoch.
pub struct Parameters {
    /// The last day.
    pub day: i64,
    /// The end of its session.
    pub close: i64,
    pub symbol: String,
    pub symbols: Vec<String>,
    pub window: (i64, i64),
    pub latest: i64,
    pub turnover: f64,
    pub node: String,
    pub bars: (i64, i64),
    pub grid: (i64, i64),
}

impl Parameters {
    pub fn read(data: &Path) -> Self {
        let text = std::fs::read_to_string(data.join("meta.json")).expect("meta.json");
        let meta: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let texts = |name: &str| -> Vec<String> {
            let list = meta[name].as_array().expect("a list");
            list.iter()
                .map(|text| text.as_str().expect("text").to_string())
                .collect()
        };
        let number = |name: &str| meta[name].as_i64().expect("a number");
        let (ranked, nodes, dates) = (texts("syms_by_rank"), texts("nodes"), texts("dates"));
        let day = format!("{}T00:00:00Z", dates.last().expect("a day"));
        let day: jiff::Timestamp = day.parse().expect("a day");
        let day = i64::try_from(day.as_nanosecond()).expect("a time");
        let bar_days = number("bar_minutes") / 1440;
        let (offset, length) = if bar_days >= 60 {
            (20, 30)
        } else {
            (bar_days / 6, (bar_days / 3).max(1))
        };
        let bars = number("bar_start_ns") + offset * DAY;
        let wanted = ranked.len().min(50);
        // As numpy's linspace, cut to whole numbers.
        let at =
            |step: usize| ((ranked.len() - 1) as f64 * step as f64 / (wanted - 1).max(1) as f64) as usize;
        let mut symbols: Vec<String> = (0..wanted).map(|step| ranked[at(step)].clone()).collect();
        symbols.sort();
        symbols.dedup();
        Self {
            day,
            close: day + number("open_ns") + number("sess_ns"),
            symbol: ranked[4].clone(),
            symbols,
            window: (day + 14 * HOUR, day + 14 * HOUR + 10 * MINUTE),
            latest: day + 17 * HOUR,
            turnover: 250_000.0,
            node: nodes[nodes.len() / 3].clone(),
            bars: (bars, bars + length * DAY),
            grid: (
                number("bar_start_ns"),
                number("bar_start_ns") + number("bar_minutes") * MINUTE,
            ),
        }
    }
}
