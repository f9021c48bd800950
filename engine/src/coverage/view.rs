//! The coverage of a table as a snapshot sees it: files and memtables, laid over each other for the keys that are asked.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use gapless_format::{CoverageKey, CoverageState};

use super::file::OpenCoverage;
use super::map::{CoverageMap, RangeMap, rank};
use super::overlay::{Span, overlay};
use super::range::{CoverageRange, is_covered};
use super::session::session_of;
use crate::database::Snapshot;
use crate::error::Result;

/// The coverage of one table at one moment.
#[derive(Debug)]
pub(crate) struct CoverageView {
    table: u32,
    files: Vec<Arc<OpenCoverage>>,
    maps: Vec<CoverageMap>,
    /// The streams that may still be written.
    streams: Vec<u64>,
    /// The stream of this process, and its sessions that are open.
    own: Option<(u64, HashSet<u64>)>,
    /// Whether something is said of every series or of every interval.
    has_wildcards: bool,
    /// Whether something was ever said to be lost.
    has_lost: bool,
    /// The keys of which something is said, once they were asked for.
    keys: OnceLock<Vec<CoverageKey>>,
}

/// The ranges that one source has of a key.
enum Source<'a> {
    File(&'a OpenCoverage, Range<usize>, u8),
    Map(&'a RangeMap, u8),
}

impl Source<'_> {
    fn rank(&self) -> u8 {
        match self {
            Self::File(_, _, rank) | Self::Map(_, rank) => *rank,
        }
    }
}

impl CoverageView {
    /// # Errors
    /// `Corrupt` when a coverage file is missing or damaged; `Io`.
    pub(crate) fn new(snapshot: &Snapshot, table: u32) -> Result<Self> {
        let version = snapshot.version();
        let view = Self {
            table,
            files: match version.table_by_id(table) {
                Some(state) => snapshot.engine().open_coverage(state)?,
                None => Vec::new(),
            },
            maps: snapshot.live().coverage(table),
            streams: version.streams().map(|stream| stream.stream).collect(),
            own: snapshot
                .engine()
                .own_stream()
                .map(|own| (own.id(), snapshot.engine().open_sessions().lock().clone())),
            has_wildcards: false,
            has_lost: false,
            keys: OnceLock::new(),
        };
        let has_wildcards = view.files.iter().any(|file| file.has_wildcards)
            || view.maps.iter().any(CoverageMap::has_wildcards);
        let has_lost =
            view.files.iter().any(|file| file.has_lost) || view.maps.iter().any(CoverageMap::has_lost);
        Ok(Self {
            has_wildcards,
            has_lost,
            ..view
        })
    }

    fn all_keys(&self) -> impl Iterator<Item = CoverageKey> {
        let in_files = self.files.iter().flat_map(|file| file.keys());
        let in_maps = self.maps.iter().flat_map(|map| map.of_table(self.table));
        in_files.map(|(key, _)| *key).chain(in_maps.map(|(key, _)| key))
    }

    /// The keys of which something was said that was not taken back since, ascending.
    pub(crate) fn keys(&self) -> Vec<CoverageKey> {
        let keys = self.keys.get_or_init(|| {
            let mut keys: Vec<CoverageKey> = self.all_keys().collect();
            keys.sort_unstable();
            keys.dedup();
            keys.retain(|key| self.is_said(*key));
            keys
        });
        keys.clone()
    }

    /// Whether something is known where something was said of a key itself, by that or by what was said later of more keys.
    fn is_said(&self, key: CoverageKey) -> bool {
        let always = i64::MIN..i64::MAX;
        let sources = self.sources(key, &always);
        if let [Source::File(file, places, _)] = sources.as_slice() {
            return file
                .spans(places.clone())
                .any(|(_, _, state)| state != CoverageState::Unknown);
        }
        let known = self.spans(&sources, &always);
        let own = sources.iter().filter(|source| source.rank() == rank(&key));
        let mut said = own.flat_map(|source| self.spans_of(source, 0, &always));
        said.any(|said| {
            let after = known.partition_point(|known| known.end <= said.start);
            known.get(after).is_some_and(|known| known.start < said.end)
        })
    }

    /// The sources that have something of a key in a time range.
    fn sources(&self, key: CoverageKey, time: &Range<i64>) -> Vec<Source<'_>> {
        let mut found = Vec::new();
        let mut add = |key: CoverageKey| {
            for file in &self.files {
                let places = file.find(key, time);
                if !places.is_empty() {
                    found.push(Source::File(file, places, rank(&key)));
                }
            }
            let maps = self.maps.iter().filter_map(|map| map.get(self.table, key));
            found.extend(maps.map(|map| Source::Map(map, rank(&key))));
        };
        add(key);
        if self.has_wildcards {
            wider(key).for_each(add);
        }
        found
    }

    /// What is known of a key in a time range: disjoint, ascending, inside the range.
    fn spans(&self, sources: &[Source<'_>], time: &Range<i64>) -> Vec<Span> {
        let mut result: Option<Vec<Span>> = None;
        for (number, source) in sources.iter().enumerate() {
            let spans = self.spans_of(source, number, time);
            result = Some(match result {
                None => spans,
                Some(below) => overlay(&below, &spans),
            });
        }
        let mut spans = result.unwrap_or_default();
        spans.retain(|span| span.state != CoverageState::Unknown);
        spans
    }

    fn spans_of(&self, source: &Source<'_>, number: usize, time: &Range<i64>) -> Vec<Span> {
        let number = number as u32;
        let clipped = |span: Span| Span {
            start: span.start.max(time.start),
            end: span.end.min(time.end),
            ..span
        };
        match source {
            Source::File(file, places, rank) => places
                .clone()
                .zip(file.spans(places.clone()))
                .map(|(place, (start, end, state))| {
                    let (first_commit, commit) = file.commits(place);
                    clipped(Span {
                        start,
                        end,
                        state: self.file_state(file, place, state),
                        first_commit,
                        commit,
                        rank: *rank,
                        origin: (number, place as u32),
                    })
                })
                .collect(),
            Source::Map(ranges, rank) => ranges
                .overlapping(time.start, time.end)
                .enumerate()
                .map(|(place, range)| {
                    clipped(Span {
                        start: range.start,
                        end: range.end,
                        state: self.state(range.state, &range.batch),
                        first_commit: range.first_commit,
                        commit: range.commit,
                        rank: *rank,
                        origin: (number, place as u32),
                    })
                })
                .collect(),
        }
    }

    fn file_state(&self, file: &OpenCoverage, place: usize, state: CoverageState) -> CoverageState {
        if state != CoverageState::Live {
            return state;
        }
        let batch = file.range(place).map(|range| range.batch);
        self.state(state, batch.as_deref().unwrap_or_default())
    }

    /// What a session has written is complete once its process is gone: up to its watermark, and no further.
    fn state(&self, state: CoverageState, batch: &str) -> CoverageState {
        let is_over = || session_of(batch).is_none_or(|session| !self.is_open(session));
        match state {
            CoverageState::Live if is_over() => CoverageState::Complete,
            state => state,
        }
    }

    fn is_open(&self, (stream, number): (u64, u64)) -> bool {
        match &self.own {
            Some((own, open)) if *own == stream => open.contains(&number),
            _ => self.streams.contains(&stream),
        }
    }

    /// Adds the parts of a time range in which a key is covered to `out`: ascending, perhaps adjacent.
    pub(crate) fn covered(&self, key: CoverageKey, time: &Range<i64>, out: &mut Vec<Range<i64>>) {
        let sources = self.sources(key, time);
        if let [Source::File(file, places, _)] = sources.as_slice() {
            let covered = file
                .spans(places.clone())
                .filter(|(_, _, state)| is_covered(*state));
            out.extend(covered.map(|(start, end, _)| start.max(time.start)..end.min(time.end)));
            return;
        }
        let spans = self.spans(&sources, time);
        let covered = spans.iter().filter(|span| is_covered(span.state));
        out.extend(covered.map(|span| span.start..span.end));
    }

    /// The parts of a time range in which a key is lost: ascending, perhaps adjacent.
    pub(crate) fn lost(&self, key: CoverageKey, time: &Range<i64>) -> Vec<Range<i64>> {
        if !self.has_lost {
            return Vec::new();
        }
        let spans = self.spans(&self.sources(key, time), time);
        let lost = spans.iter().filter(|span| span.state == CoverageState::Lost);
        lost.map(|span| span.start..span.end).collect()
    }

    /// Whether what is said of every series at an interval, or at any, leaves something of a time range to be fetched.
    pub(crate) fn leaves_all_open(&self, interval: Option<i64>, time: &Range<i64>) -> bool {
        if !self.has_wildcards {
            return false;
        }
        let asked = interval.map(|interval| CoverageKey {
            series: None,
            interval: Some(interval),
        });
        let keys = match asked {
            Some(key) => vec![key],
            None => self.keys(),
        };
        let mut of_all = keys.into_iter().filter(|key| key.series.is_none());
        of_all.any(|key| {
            let spans = self.spans(&self.sources(key, time), time);
            spans.iter().any(|span| !is_covered(span.state))
        })
    }

    /// What is known of a key in a time range. Neighbours that agree are one.
    pub(crate) fn ranges(&self, key: CoverageKey, time: &Range<i64>) -> Vec<CoverageRange> {
        let sources = self.sources(key, time);
        let in_maps: Vec<Vec<&CoverageRange>> = sources
            .iter()
            .map(|source| match source {
                Source::File(..) => Vec::new(),
                Source::Map(ranges, _) => ranges.overlapping(time.start, time.end).collect(),
            })
            .collect();
        let mut out: Vec<CoverageRange> = Vec::new();
        for span in self.spans(&sources, time) {
            let (number, place) = (span.origin.0 as usize, span.origin.1 as usize);
            let whole = match sources.get(number) {
                Some(Source::File(file, ..)) => file.range(place),
                _ => in_maps
                    .get(number)
                    .and_then(|ranges| ranges.get(place))
                    .map(|range| CoverageRange::clone(range)),
            };
            let Some(whole) = whole else { continue };
            let mut range = whole.cut(span.start, span.end);
            range.state = span.state;
            match out.last_mut() {
                Some(last) if last.joins(&range) => last.join(&range),
                _ => out.push(range),
            }
        }
        out
    }
}

/// The keys whose statements are about a key too.
pub(super) fn wider(key: CoverageKey) -> impl Iterator<Item = CoverageKey> {
    let every_interval = CoverageKey {
        interval: None,
        ..key
    };
    let every_series = CoverageKey { series: None, ..key };
    let all = CoverageKey {
        series: None,
        interval: None,
    };
    let mut wider = vec![every_interval, every_series, all];
    wider.sort_unstable();
    wider.dedup();
    wider.into_iter().filter(move |other| *other != key)
}
