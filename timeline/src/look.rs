//! How what is known looks: a character, a colour of terminals, a colour of files, a word.

use gapless_engine::CoverageState;

/// One look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What it stands for.
    pub word: &'static str,
    /// How a terminal draws it.
    pub character: char,
    /// The code of the colour that a terminal draws it in.
    pub ansi: u8,
    /// The colour in files.
    pub fill: &'static str,
}

const fn look(word: &'static str, character: char, ansi: u8, fill: &'static str) -> Look {
    Look {
        word,
        character,
        ansi,
        fill,
    }
}

/// Expected and not covered.
pub const GAP: Look = look("gap", '_', 31, "#d73027");
/// Some of it is covered.
pub const PARTLY: Look = look("partly covered", '▄', 33, "#fdae61");
/// Outside of the calendar, or of the life of the series.
pub const CLOSED: Look = look("not expected", '·', 90, "#f4f4f4");

const COMPLETE: Look = look(CoverageState::Complete.name(), '█', 32, "#1a9850");
const LIVE: Look = look(CoverageState::Live.name(), '▓', 36, "#2aa1b3");
const EMPTY: Look = look(CoverageState::Empty.name(), '▒', 34, "#91bfdb");
const NOT_APPLICABLE: Look = look(CoverageState::NotApplicable.name(), '-', 90, "#d9d9d9");
const EXPIRED: Look = look(CoverageState::Expired.name(), '░', 90, "#bdbdbd");
const PARTIAL: Look = look(CoverageState::Partial.name(), '~', 33, "#fee08b");
const LOST: Look = look(CoverageState::Lost.name(), '!', 35, "#762a83");

/// The look of a state.
pub fn of(state: CoverageState) -> Look {
    match state {
        CoverageState::Complete => COMPLETE,
        CoverageState::Live => LIVE,
        CoverageState::Empty => EMPTY,
        CoverageState::NotApplicable => NOT_APPLICABLE,
        CoverageState::Expired => EXPIRED,
        CoverageState::Partial => PARTIAL,
        CoverageState::Lost => LOST,
        CoverageState::Unknown => Look {
            word: state.name(),
            ..GAP
        },
    }
}

/// Whether something is missing where it is drawn.
pub fn is_missing(look: &Look) -> bool {
    [GAP, PARTLY, PARTIAL, LOST].contains(look) || look.word == CoverageState::Unknown.name()
}

/// A share of what is expected that is covered; `None` where nothing is expected.
pub fn of_share(share: Option<f64>) -> Look {
    match share {
        None => CLOSED,
        Some(share) if share >= 1.0 => look("all", '█', 32, "#1a9850"),
        Some(share) if share >= 0.75 => look("75% and more", '▓', 92, "#91cf60"),
        Some(share) if share >= 0.5 => look("50% and more", '▒', 33, "#fee08b"),
        Some(share) if share > 0.0 => look("less", '░', 91, "#fc8d59"),
        Some(_) => look("nothing", '_', 31, "#d73027"),
    }
}
