//! The files of the demo, out of the binary.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use crate::error::CliError;

const FLIGHTS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../fixtures/nycflights13/flights.csv.zst"
));
const WEATHER: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../fixtures/nycflights13/weather.csv.zst"
));

/// Writes `flights.csv`, `late.csv` (its last day from 10:00 UTC on) and `weather.csv.zst`.
pub(super) fn write(directory: &Path) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::io("cannot write the demo's files", &error);
    std::fs::write(directory.join("weather.csv.zst"), WEATHER).map_err(failed)?;
    split_flights(directory).map_err(failed)
}

fn split_flights(directory: &Path) -> std::io::Result<()> {
    let create = |name: &str| std::fs::File::create(directory.join(name)).map(BufWriter::new);
    let (mut early, mut late) = (create("flights.csv")?, create("late.csv")?);
    let mut lines = BufReader::with_capacity(1 << 20, zstd::Decoder::new(FLIGHTS)?);
    let mut line = Vec::new();
    let mut is_header = true;
    while lines.read_until(b'\n', &mut line)? > 0 {
        if is_header {
            late.write_all(&line)?;
        }
        let is_late =
            line.starts_with(b"2013-12-31T") && line.get(11..13).is_some_and(|hour| hour >= &b"10"[..]);
        let file = if is_late && !is_header {
            &mut late
        } else {
            &mut early
        };
        file.write_all(&line)?;
        is_header = false;
        line.clear();
    }
    early.flush()?;
    late.flush()
}
