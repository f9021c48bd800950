//! A scan, resolved: its columns, its condition, its series as codes, and its segments in clusters.

use std::ops::Range;
use std::sync::Arc;

use gapless_format::{ColumnSpec, Deletion, Keep, NULL_CODE, PAGE_ROWS, SegmentRef, TableMeta};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::bind::{Bind, bind};
use super::builder::Scan;
use super::cluster::{Cluster, Contested, clusters};
use super::merge::Merge;
use super::output::Output;
use super::piece::Piece;
use super::rows::Rows;
use super::select::{Selector, has_series};
use super::ties::Ties;
use crate::database::Engine;
use crate::error::Result;
use crate::segment::{Segment, SegmentCache};

/// A scan of more series does not keep what it merges.
const KEPT_SERIES_MAX: usize = 16;
/// Of more rows in a row the kernel notices itself that they are read one after the other: it reads further ahead than it can be
/// asked to, and into larger pages.
const FEW_ROWS: usize = 4 * PAGE_ROWS;
/// Deletions of other series are left out of a scan of at most so many.
const FEW_SERIES: usize = 64;

/// A resolved scan.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) scan: Scan,
    pub(crate) selector: Selector,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) output: Output,
    /// Codes of the series asked for, in order of their text; `None` for all.
    pub(crate) codes: Option<Vec<u32>>,
    pub(crate) ties: Ties,
    /// Whether page statistics may do instead of rows.
    pub(crate) of_extremes: bool,
    /// Blocks of streamed rows, by the segment ids under which they stand in the clusters.
    memory: hashbrown::HashMap<u64, Arc<Segment>>,
}

/// Rows that are read in no order but their stored one.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// The rows of a segment, as they lie.
    Segment(Arc<SegmentRef>),
    /// The rows of a series in a cluster, merged, because of several versions only one counts.
    Series(Option<u32>),
}

impl Plan {
    pub(crate) fn new(scan: Scan) -> Result<Self> {
        scan.check_coverage()?;
        let condition: Option<Bind> = scan
            .predicate
            .as_ref()
            .map(|predicate| bind(&scan, predicate))
            .transpose()?;
        let projection = scan.projection()?;
        let codes = series_codes(&scan)?;
        let mut read: Vec<ColumnSpec> = projection.clone();
        if let Some(condition) = &condition {
            condition.columns(&mut read);
        }
        let selector = Selector {
            time: scan.time.clone(),
            key_condition: condition
                .as_ref()
                .and_then(|condition| condition.within(&scan.meta().key)),
            condition: condition.clone(),
            deletions: deletions(&scan, codes.as_deref()),
        };
        let nothing = scan.time.start >= scan.time.end || codes.as_ref().is_some_and(Vec::is_empty);
        let memory = if nothing {
            Vec::new()
        } else {
            memory_segments(&scan)?
        };
        let clusters = if nothing {
            Vec::new()
        } else {
            let partitions = scan.table.partitions_between(scan.time.clone());
            let stored = partitions.iter().flat_map(|(_, segments)| segments.iter());
            let streamed = memory.iter().map(|segment| segment.reference());
            clusters(stored.chain(streamed), &scan.time, &selector.deletions)
        };
        let memory = memory
            .into_iter()
            .map(|segment| (segment.reference().segment, segment));
        let mut plan = Self {
            output: Output::new(&scan, projection, read, condition, codes.as_deref())?,
            ties: Ties::of(scan.meta()),
            of_extremes: false,
            memory: memory.collect(),
            selector,
            clusters,
            codes,
            scan,
        };
        plan.find_contested()?;
        Ok(plan)
    }

    /// Finds the series of which segments that overlap may have several versions of a row.
    fn find_contested(&mut self) -> Result<()> {
        if self.ties.keep == Keep::All {
            return Ok(());
        }
        let found = self
            .clusters
            .iter()
            .map(|cluster| {
                if let [segment] = cluster.segments.as_slice()
                    && !self.memory.contains_key(&segment.segment)
                {
                    return Ok(Contested::default());
                }
                let segments = self.open_all(cluster)?;
                Ok(Contested::of(segments.iter().map(AsRef::as_ref)))
            })
            .collect::<Result<Vec<_>>>()?;
        for (cluster, contested) in self.clusters.iter_mut().zip(found) {
            cluster.contested = contested;
        }
        Ok(())
    }

    /// The greatest time of a row that the scan may give.
    pub(crate) fn newest(&self) -> Option<i64> {
        let segments = self.clusters.iter().flat_map(|cluster| &cluster.segments);
        segments.map(|segment| segment.max_time).max()
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        self.scan.snapshot.engine()
    }

    pub(crate) fn cache(&self) -> &SegmentCache {
        self.engine().cache()
    }

    pub(crate) fn meta(&self) -> &TableMeta {
        self.scan.meta()
    }

    pub(crate) fn open(&self, segment: &Arc<SegmentRef>) -> Result<Arc<Segment>> {
        if let Some(memory) = self.memory.get(&segment.segment) {
            return Ok(Arc::clone(memory));
        }
        let name = &self.meta().name;
        self.cache()
            .segment(name, segment)
            .map_err(|error| error.context(format!("table {name:?}")))
    }

    fn open_all(&self, cluster: &Cluster) -> Result<Vec<Arc<Segment>>> {
        cluster
            .segments
            .iter()
            .map(|segment| self.open(segment))
            .collect()
    }

    /// What a cluster is read by in stored order.
    pub(crate) fn parts(&self, cluster: &Cluster) -> Result<Vec<Part>> {
        if cluster.contested.is_empty() {
            return Ok(cluster.segments.iter().cloned().map(Part::Segment).collect());
        }
        if self.meta().series_column.is_none() {
            return Ok(vec![Part::Series(None)]);
        }
        let series = match &self.codes {
            Some(codes) => codes.clone(),
            None => self.present_in([cluster])?,
        };
        Ok(series.into_iter().map(|code| Part::Series(Some(code))).collect())
    }

    /// The pieces of a segment in stored order, of all its rows or some.
    pub(crate) fn stored(&self, segment: &Arc<SegmentRef>, rows: Option<Range<u32>>) -> Result<Vec<Piece>> {
        let segment = self.open(segment)?;
        let rows = rows.unwrap_or(0..u32::try_from(segment.rows()).unwrap_or(u32::MAX));
        self.selector
            .stored(self.cache(), &segment, self.codes.as_deref(), rows)
    }

    /// What is read of a segment: of a series with several versions of rows also those that turn out not to count.
    pub(crate) fn selected(&self, cluster: &Cluster, segment: &Arc<SegmentRef>) -> Result<Vec<Piece>> {
        if cluster.contested.is_empty() {
            return self.stored(segment, None);
        }
        let pruning = |code| cluster.contested.pruning(code);
        let segment = self.open(segment)?;
        let runs = self
            .selector
            .runs(self.cache(), &segment, self.codes.as_deref(), &pruning)?;
        Ok(runs.into_iter().map(|(_, piece)| piece).collect())
    }

    /// Begins to read a piece of few rows, all columns at once. Not single rows that an index has found: each may lie in a page of its
    /// own.
    pub(crate) fn will_need(&self, piece: &Piece) -> Result<()> {
        let span = piece.rows.span();
        let most = self.scan.limit.unwrap_or(usize::MAX);
        let rows = span.start..span.end.min(span.start.saturating_add(most));
        if self.of_extremes || rows.len() > FEW_ROWS || matches!(piece.rows, Rows::List(_)) {
            return Ok(());
        }
        let mut columns = self.output.of_all_rows().iter();
        columns.try_for_each(|spec| piece.segment.will_need(self.cache(), spec, &rows))
    }

    /// One piece, batch by batch.
    pub(crate) fn merge_one(&self, piece: Piece, batch_rows: usize) -> Result<Merge> {
        self.will_need(&piece)?;
        Merge::new(self.cache(), &self.ties, vec![(0, piece)], batch_rows)
    }

    /// The rows of one series in a cluster, by time.
    pub(crate) fn merge_series(
        &self,
        cluster: &Cluster,
        code: Option<u32>,
        batch_rows: usize,
    ) -> Result<Merge> {
        let pruning = cluster.contested.pruning(code.unwrap_or(NULL_CODE));
        let mut pieces = Vec::new();
        for segment in &cluster.segments {
            let segment = self.open(segment)?;
            if code.is_none_or(|code| has_series(&segment, code)) {
                let piece = self.selector.run(self.cache(), &segment, code, pruning)?;
                if let Some(piece) = piece {
                    self.will_need(&piece)?;
                    pieces.push((0, piece));
                }
            }
        }
        if self.keeps_merges()
            && let Some(run) = self
                .engine()
                .merges()
                .merged(self.cache(), &self.ties, &pieces, batch_rows)?
        {
            return Ok(Merge::of_run(&self.ties, run, batch_rows));
        }
        Merge::new(self.cache(), &self.ties, pieces, batch_rows)
    }

    /// Whether merged rows are worth keeping: those of a few series that were asked for, all of them.
    fn keeps_merges(&self) -> bool {
        let is_few = |codes: &Vec<u32>| codes.len() <= KEPT_SERIES_MAX;
        self.selector.condition.is_none()
            && self.scan.limit.is_none()
            && self.codes.as_ref().is_some_and(is_few)
    }

    /// All rows of a cluster, by time.
    pub(crate) fn merge_all(&self, cluster: &Cluster, batch_rows: usize) -> Result<Merge> {
        if let Some([code]) = self.codes.as_deref() {
            return self.merge_series(cluster, Some(*code), batch_rows);
        }
        let pruning = |code| cluster.contested.pruning(code);
        let mut runs: Vec<(u32, Piece)> = Vec::new();
        for segment in self.open_all(cluster)? {
            runs.extend(
                self.selector
                    .runs(self.cache(), &segment, self.codes.as_deref(), &pruning)?,
            );
        }
        Merge::new(self.cache(), &self.ties, self.placed(runs), batch_rows)
    }

    /// Runs by the text of their series, each with its place in that order. Runs of one series stay in their order.
    fn placed(&self, runs: Vec<(u32, Piece)>) -> Vec<(u32, Piece)> {
        let mut codes: Vec<u32> = runs
            .iter()
            .map(|(code, _)| *code)
            .filter(|code| *code != NULL_CODE)
            .collect();
        codes.sort_unstable();
        codes.dedup();
        self.sort_by_text(&mut codes);
        let place: hashbrown::HashMap<u32, u32> = codes.into_iter().zip(0..).collect();
        let mut placed: Vec<(u32, Piece)> = runs
            .into_iter()
            .map(|(code, piece)| (place.get(&code).copied().unwrap_or(u32::MAX), piece))
            .collect();
        placed.sort_by_key(|(place, _)| *place);
        placed
    }

    fn sort_by_text(&self, codes: &mut [u32]) {
        let series = self.meta().series_column;
        if let Some(domain) = series.and_then(|column| self.output.domain_of(column)) {
            domain.sort_by_text(codes);
        }
    }

    /// The codes of all series that clusters have, the null series last.
    fn present_in<'a>(&self, clusters: impl IntoIterator<Item = &'a Cluster>) -> Result<Vec<u32>> {
        let mut present = RoaringBitmap::new();
        let mut has_null = false;
        for segment in clusters.into_iter().flat_map(|cluster| &cluster.segments) {
            let segment = self.open(segment)?;
            present |= &segment.meta().series;
            has_null |= segment.meta().null_series;
        }
        Ok(present.into_iter().chain(has_null.then_some(NULL_CODE)).collect())
    }

    /// The series to go through in order of their text, null last. `None` stands for the table without series.
    pub(crate) fn ordered_series(&self) -> Result<Vec<Option<u32>>> {
        if self.meta().series_column.is_none() {
            return Ok(vec![None]);
        }
        if let Some(codes) = &self.codes {
            return Ok(codes.iter().copied().map(Some).collect());
        }
        let mut codes = self.present_in(&self.clusters)?;
        let named = codes.iter().take_while(|code| **code != NULL_CODE).count();
        if let Some(named) = codes.get_mut(..named) {
            self.sort_by_text(named);
        }
        Ok(codes.into_iter().map(Some).collect())
    }
}

/// The deletions that hide rows of the scan's table, time range and series.
fn deletions(scan: &Scan, codes: Option<&[u32]>) -> Vec<Arc<Deletion>> {
    let is_asked = |deletion: &Arc<Deletion>| match (codes, &deletion.series) {
        (Some(asked), Some(codes)) if asked.len() <= FEW_SERIES => {
            asked.iter().any(|code| codes.binary_search(code).is_ok())
        }
        _ => true,
    };
    let table = scan.meta().table;
    let stored = scan.snapshot.version().deletions(table).cloned();
    let time = &scan.time;
    stored
        .chain(scan.snapshot.live().deletions(table))
        .filter(|deletion| deletion.start < time.end || time.end == i64::MAX)
        .filter(|deletion| deletion.end > time.start || deletion.end == i64::MAX)
        .filter(is_asked)
        .collect()
}

/// The codes of the series asked for, without those that the domain does not have, each once.
fn series_codes(scan: &Scan) -> Result<Option<Vec<u32>>> {
    let Some(names) = &scan.series else {
        return Ok(None);
    };
    let Some(domain) = super::output::series_domain(scan)? else {
        return Err(crate::error::Error::invalid(format!(
            "table {:?} has no series column, so no series can be asked for",
            scan.meta().name
        )));
    };
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    Ok(Some(domain.find(&names).into_iter().flatten().collect()))
}

/// Streamed rows of the time range, sorted.
pub(super) fn memory_segments(scan: &Scan) -> Result<Vec<Arc<Segment>>> {
    let blocks = scan.snapshot.live().blocks(scan.meta().table, &scan.time)?;
    blocks.par_iter().map(|block| block.segment()).collect()
}
