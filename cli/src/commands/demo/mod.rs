//! `gapless demo`: the main job on real data, in a directory of its own, told step by step.
//!
//! Each command that is shown is parsed from the shown text and run in this process. Every number that the data
//! settles is asserted; if one is wrong the demo says which and fails.

mod data;
mod gap;
mod measure;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::render::{count, seconds};
use measure::{DelayBySeries, delay_by_series, point_window};
use story::{Lines, Story, Workplace};

/// Where the demo works.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless demo\n  gapless demo --keep /tmp/gapless-demo\n  gapless demo --json"
)]
pub(crate) struct Args {
    /// Work in this directory, which must be empty or missing, and leave it there.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// What the demo found.
#[derive(Serialize)]
struct Report {
    rows: u64,
    rows_at_snapshot: u64,
    late_rows: u64,
    weather_rows: u64,
    point_window_rows: usize,
    point_window_seconds: f64,
    aggregate_seconds: f64,
    delay_by_origin: Vec<DelayBySeries>,
    /// Hours of the three stations without a row, before and after the fill.
    missing_hours: u64,
    missing_hours_after_fill: u64,
    commands: Vec<String>,
    seconds: f64,
    directory: Option<String>,
}

/// Rows of the data set; fixtures/README.md has all of these facts.
const FLIGHTS: u64 = 336_776;
/// Departures of 2013-12-31 from 10:00 UTC on: the late batch.
const LATE: u64 = 688;
const WEATHER: u64 = 26_115;
const BY_ORIGIN: [(&str, u64); 3] = [("EWR", 120_835), ("JFK", 111_279), ("LGA", 104_662)];
/// Departures with a known delay, and the sum of all delays in minutes.
const KNOWN_DELAYS: u64 = FLIGHTS - 8_255;
const DELAY_SUM: i64 = 4_152_200;

/// Tells the story.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let began = std::time::Instant::now();
    let workplace = Workplace::enter(args.keep.as_deref())?;
    data::write(workplace.path())?;
    let json = output.is_json();
    let mut nowhere = Output::nowhere();
    let mut story = Story::new(if json { &mut nowhere } else { &mut *output });
    let mut report = tell(&mut story, &workplace)?;
    report.seconds = began.elapsed().as_secs_f64();
    report.commands = story.commands();
    if json {
        output.json(&report)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(story: &mut Story<'_>, workplace: &Workplace) -> Result<Report, CliError> {
    story.say(&format!(
        "Departures from New York's three airports in 2013, and their hourly weather: real data, CC0, carried in this\n\
         binary. The demo works in {}.",
        workplace.path().display()
    ))?;
    import(story)?;
    look(story)?;
    let (window_rows, window_seconds) = point(story)?;
    story.title("A name for this version, then a late batch")?;
    story.say(
        "A snapshot keeps a version readable. The late batch is the rest of the year's last day. Its rows become \
         segments\nof hours in the table of days; the segments that are there are not touched.",
    )?;
    story.run("gapless snapshot demo.db create before-late", Lines::All)?;
    story.run(
        "gapless import demo.db flights late.csv --partition hour",
        Lines::Last(4),
    )?;
    story.run("gapless ls demo.db flights", Lines::HeadAndLast(2, 4))?;
    let (now, then) = compare(story)?;
    let (delays, aggregate_seconds) = aggregate(story)?;
    let missing = gap::tell(story)?;
    finish(story, workplace)?;
    Ok(Report {
        rows: now,
        rows_at_snapshot: then,
        late_rows: now - then,
        weather_rows: WEATHER,
        point_window_rows: window_rows,
        point_window_seconds: window_seconds,
        aggregate_seconds,
        delay_by_origin: delays,
        missing_hours: missing.before,
        missing_hours_after_fill: missing.after,
        commands: Vec::new(),
        seconds: 0.0,
        directory: workplace.kept(),
    })
}

fn import(story: &mut Story<'_>) -> Result<(), CliError> {
    story.title("Files in, one atomic commit each")?;
    story.run(
        "gapless import demo.db flights flights.csv --series origin",
        Lines::All,
    )?;
    story.say(
        "The weather file has clock times of New York without a zone. That is never guessed: without --zone the \
         import\nis refused. A row an hour needs no partition a day.",
    )?;
    story.run(
        "gapless import demo.db weather weather.csv.zst --time time --zone America/New_York --series origin --partition month",
        Lines::Last(5),
    )?;
    let version = options::open("demo.db".as_ref())?.version()?;
    story.expect(
        "rows of flights",
        version.table("flights")?.rows(),
        FLIGHTS - LATE,
    )?;
    story.expect("rows of weather", version.table("weather")?.rows(), WEATHER)
}

fn look(story: &mut Story<'_>) -> Result<(), CliError> {
    story.title("What is there")?;
    story.run("gapless info demo.db", Lines::All)?;
    story.run("gapless ls demo.db flights", Lines::HeadAndLast(5, 1))?;
    story.run("gapless schema demo.db flights", Lines::All)?;
    story.run("gapless head demo.db flights -n 5", Lines::All)
}

fn point(story: &mut Story<'_>) -> Result<(usize, f64), CliError> {
    story.title("One series, half an hour")?;
    story.run(
        "gapless head demo.db flights --series JFK --start 2013-07-01T12:00:00Z --end 2013-07-01T12:30:00Z -n 5",
        Lines::All,
    )?;
    let (rows, time) = point_window(&options::open("demo.db".as_ref())?)?;
    story.say(&format!(
        "The same window in this process, all columns, {rows} rows: {} (median of 200 reads, files mapped already).",
        seconds(time)
    ))?;
    Ok((rows, time.as_secs_f64()))
}

fn compare(story: &mut Story<'_>) -> Result<(u64, u64), CliError> {
    story.run(
        "gapless tail demo.db flights -n 2 --end 2014-01-01 --columns time,origin,dest",
        Lines::All,
    )?;
    story.run(
        "gapless tail demo.db flights -n 2 --end 2014-01-01 --columns time,origin,dest --as-of before-late",
        Lines::All,
    )?;
    let database = options::open("demo.db".as_ref())?;
    let table = database.table("flights")?;
    let now = table.scan()?.count()?;
    let then = table.scan_at(&database.as_of("before-late")?)?.count()?;
    story.expect("rows of the newest version", now, FLIGHTS)?;
    story.expect("rows of the snapshot", then, FLIGHTS - LATE)?;
    story.say(&format!(
        "The newest version has {} rows, the snapshot still {}.",
        count(now),
        count(then)
    ))?;
    Ok((now, then))
}

fn aggregate(story: &mut Story<'_>) -> Result<(Vec<DelayBySeries>, f64), CliError> {
    story.title("Every partition, days and hours alike")?;
    let (delays, time) = delay_by_series(&options::open("demo.db".as_ref())?)?;
    story.say(&format!(
        "Departures and mean delay by airport: {} rows in {}.",
        count(delays.iter().map(|delay| delay.departures).sum::<u64>()),
        seconds(time)
    ))?;
    story.table(measure::grid(&delays))?;
    for (origin, departures) in BY_ORIGIN {
        let found = delays.iter().find(|delay| delay.origin == origin);
        story.expect(
            &format!("departures from {origin}"),
            found.map_or(0, |delay| delay.departures),
            departures,
        )?;
    }
    story.expect(
        "known delays",
        delays.iter().map(|delay| delay.known_delays).sum::<u64>(),
        KNOWN_DELAYS,
    )?;
    story.expect(
        "sum of delays",
        delays.iter().map(|delay| delay.delay_sum).sum::<i64>(),
        DELAY_SUM,
    )?;
    Ok((delays, time.as_secs_f64()))
}

fn finish(story: &mut Story<'_>, workplace: &Workplace) -> Result<(), CliError> {
    if Story::has_verb("check") {
        story.title("Every byte against its checksum")?;
        story.run("gapless check demo.db", Lines::All)?;
    }
    story.title("Done")?;
    match workplace.kept() {
        Some(directory) => {
            story.say(&format!(
                "All numbers are as fixtures/README.md has them. The database is {directory}/demo.db."
            ))?;
            if Story::has_verb("dump") {
                story.say(&format!("What its files hold, byte by byte:\n\n$ gapless dump {directory}/demo.db flights 2013-12-31"))?;
            }
            Ok(())
        }
        None => {
            let dump = if Story::has_verb("dump") {
                ",\nto look at its files with `gapless dump DIR/demo.db`"
            } else {
                ""
            };
            story.say(&format!(
                "All numbers are as fixtures/README.md has them. The directory is removed now; `gapless demo --keep \
                 DIR` leaves it{dump}."
            ))
        }
    }
}
