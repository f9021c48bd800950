//! Local time to UTC.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::date::{DAY_S, Date};
use super::time::WallTime;
use crate::error::{Error, Result};

/// The zones that are built in: what a machine has installed changes no hours.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A zone of the IANA database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    pub(super) fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
        }
    }

    pub(super) fn new(name: &str) -> Result<Self> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Self::utc());
        }
        let rules = ZONES.get(name).ok().filter(|rules| !rules.is_unknown());
        let rules = rules.ok_or_else(|| {
            Error::invalid(format!(
                "there is no time zone {name:?}: give its IANA name, such as \"America/New_York\" or \"UTC\""
            ))
        })?;
        Ok(Self {
            name: rules.iana_name().unwrap_or(name).to_owned(),
            rules,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A converter that is fast for times that come in order.
    pub(super) fn clock(&self) -> Clock<'_> {
        Clock {
            rules: &self.rules,
            offset: 0,
            plain_from: 0,
            plain_until: 0,
        }
    }
}

/// Twice the largest difference of two offsets would do: instants further from a change than this have one local time, and it
/// has no other instant.
const NEAR_CHANGE_S: i64 = 3 * DAY_S;

/// Converts local times to instants. In a gap it takes the offset from before, so a time that is skipped comes out after the
/// gap; of a time that occurs twice it takes the first. (RFC 5545 and Jiff, who calls it "compatible", do so, too.)
#[derive(Debug)]
pub(super) struct Clock<'a> {
    rules: &'a TimeZone,
    /// What is added to UTC from `plain_from` to `plain_until`, between and not near two changes.
    offset: i64,
    plain_from: i64,
    plain_until: i64,
}

impl Clock<'_> {
    /// The instant at which the clocks show a time after the midnight of a date, in seconds of UTC.
    #[inline]
    pub(super) fn instant(&mut self, date: Date, time: WallTime) -> i64 {
        let local = i64::from(date.0) * DAY_S + time.seconds();
        if self.is_plain(local) {
            return local - self.offset;
        }
        self.instant_near_change(local)
    }

    /// Whether there is such a date. Zones that moved over the date line skipped one.
    #[inline]
    pub(super) fn has(&mut self, date: Date) -> bool {
        let local = i64::from(date.0) * DAY_S;
        self.is_plain(local) || {
            let instant = self.instant_near_change(local);
            instant + self.offset_at(instant) < local + DAY_S
        }
    }

    #[inline]
    fn is_plain(&mut self, local: i64) -> bool {
        let holds = |clock: &Self| (clock.plain_from..clock.plain_until).contains(&(local - clock.offset));
        holds(self) || {
            self.look_up(local);
            holds(self)
        }
    }

    #[cold]
    fn look_up(&mut self, local: i64) {
        // As if it were UTC: at most a day off, which is near.
        let Ok(near) = Timestamp::from_second(local) else {
            return;
        };
        let after = near
            .saturating_add(jiff::SignedDuration::from_secs(1))
            .unwrap_or(near);
        let change = |at: jiff::tz::TimeZoneTransition<'_>| at.timestamp().as_second();
        self.offset = self.offset_at(local);
        self.plain_from = self
            .rules
            .preceding(after)
            .next()
            .map_or(i64::MIN, |last| change(last).saturating_add(NEAR_CHANGE_S));
        self.plain_until = self
            .rules
            .following(near)
            .next()
            .map_or(i64::MAX, |next| change(next).saturating_sub(NEAR_CHANGE_S));
    }

    fn instant_near_change(&self, local: i64) -> i64 {
        let instant = Timestamp::from_second(local)
            .map(|local| Offset::UTC.to_datetime(local))
            .and_then(|local| self.rules.to_ambiguous_timestamp(local).compatible());
        // Jiff knows all years to 9999, of which i64 nanoseconds are a few hundred.
        instant.map_or(local - self.offset, Timestamp::as_second)
    }

    /// What is added to UTC at an instant.
    fn offset_at(&self, instant: i64) -> i64 {
        Timestamp::from_second(instant).map_or(0, |at| i64::from(self.rules.to_offset(at).seconds()))
    }
}
