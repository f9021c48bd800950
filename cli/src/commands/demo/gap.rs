//! The gap of the demo: hours of weather that are missing, and one that is filled.

use gapless::GapQuery;

use super::story::{Lines, Story};
use crate::error::CliError;
use crate::options;

/// Missing hours.
pub(super) struct Missing {
    pub(super) before: u64,
    pub(super) after: u64,
}

/// Hours that the stations have no row of: fixtures/README.md counts them.
const NEVER_REPORTED: u64 = 27 + 24 + 24;
/// One hour of each station, which a clock without a zone hides.
const HIDDEN: u64 = 3;
/// From the first hour of the year's weather to the last, 2013-01-01T06:00Z to 2013-12-31T00:00Z.
const YEAR: (i64, i64) = (1_357_020_000_000_000_000, 1_388_448_000_000_000_000);
const HOUR: i64 = 3_600_000_000_000;

pub(super) fn tell(story: &mut Story<'_>) -> Result<Missing, CliError> {
    story.title("What is missing, and filling it")?;
    story.say(
        "A row an hour and station, but not of every hour. Rows alone cannot say whether an hour was never asked for, or \
         has\nnothing: that is coverage, which a writer attests in the commit of its rows. An import attests nothing, so \
         it is read off\nthe rows here, which has to be asked for.",
    )?;
    story.run("gapless coverage demo.db weather --infer 1h", Lines::All)?;
    story.run("gapless coverage demo.db weather", Lines::All)?;
    story.run(
        "gapless gaps demo.db weather --start 2013-11-01 --end 2013-11-05",
        Lines::All,
    )?;
    let before = missing()?;
    story.expect("missing hours", before, NEVER_REPORTED + HIDDEN)?;
    story.say(
        "2013-11-03T06:00Z is missing everywhere, and yet the file has it: on that night the clocks went back, and the file's \
         local\ntime shows 01:00 twice. The import took the first both times. The file's column time_hour is not \
         ambiguous, so it fills\nthe gap. Each request is leased while it is filled, and its rows and what they cover are \
         one commit.",
    )?;
    story.run(
        "gapless fill demo.db weather --from weather.csv.zst --time time_hour --source nycflights13 \
         --start 2013-11-03T06:00:00Z --end 2013-11-03T07:00:00Z",
        Lines::All,
    )?;
    story.run(
        "gapless coverage demo.db weather --start 2013-11-03 --end 2013-11-04",
        Lines::All,
    )?;
    let after = missing()?;
    story.expect("missing hours after the fill", after, NEVER_REPORTED)?;
    story.say(&format!(
        "The other {after} hours no file has, and nobody says that they are empty: they stay gaps, and `gapless gaps --fail` \
         exits\nwith 1 until a source speaks for them."
    ))?;
    Ok(Missing { before, after })
}

/// Hours that are missing in the year, of all stations.
fn missing() -> Result<u64, CliError> {
    let table = options::open("demo.db".as_ref())?.table("weather")?;
    let gaps = table.gaps(&GapQuery::new(YEAR.0, YEAR.1).interval(HOUR))?;
    Ok(gaps
        .iter()
        .map(|gap| gap.end.abs_diff(gap.start) / HOUR.unsigned_abs())
        .sum())
}
