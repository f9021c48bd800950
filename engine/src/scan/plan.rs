//! A scan, resolved: its columns, its condition, its series as codes, and its segments in clusters.
//!
//! A cluster is a set of segments whose partitions overlap in time (a day and hours of it). Clusters do not overlap,
//! so only inside of one do rows have to be merged.

use std::sync::Arc;

use gapless_format::{ColumnSpec, NULL_CODE, SegmentRef, TableMeta};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::bind::{Bind, bind};
use super::builder::Scan;
use super::output::Output;
use super::piece::Piece;
use super::select::Selector;
use crate::database::Engine;
use crate::error::Result;
use crate::segment::{Segment, SegmentCache};

/// Segments whose partitions overlap, in the order of their commits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cluster {
    pub(crate) segments: Vec<Arc<SegmentRef>>,
}

/// A resolved scan.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) scan: Scan,
    pub(crate) selector: Selector,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) output: Output,
    /// Codes of the series asked for, in order of their text; `None` for all.
    pub(crate) codes: Option<Vec<u32>>,
    /// Blocks of streamed rows, by the segment ids under which they stand in the clusters.
    memory: hashbrown::HashMap<u64, Arc<Segment>>,
}

impl Plan {
    pub(crate) fn new(scan: Scan) -> Result<Self> {
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
        let (clusters, memory) = if codes.as_ref().is_some_and(Vec::is_empty) {
            Default::default()
        } else {
            let memory = memory_segments(&scan)?;
            (clusters(&scan, &memory), memory)
        };
        let memory = memory
            .into_iter()
            .map(|segment| (segment.reference().segment, segment));
        let memory = memory.collect();
        Ok(Self {
            output: Output::new(&scan, projection, read, condition.clone(), codes.as_deref())?,
            selector: Selector {
                time: scan.time.clone(),
                condition,
            },
            clusters,
            codes,
            memory,
            scan,
        })
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

    /// Pieces by (series text, commit), which is the order among rows of equal time.
    pub(crate) fn in_series_order(&self, runs: Vec<(u32, usize, Vec<Piece>)>) -> Vec<Piece> {
        let mut codes: Vec<u32> = runs
            .iter()
            .map(|(code, _, _)| *code)
            .filter(|code| *code != NULL_CODE)
            .collect();
        codes.sort_unstable();
        codes.dedup();
        if let Some(domain) = self
            .meta()
            .series_column
            .and_then(|column| self.output.domain_of(column))
        {
            domain.sort_by_text(&mut codes);
        }
        let place: hashbrown::HashMap<u32, usize> = codes.into_iter().zip(0..).collect();
        let mut runs = runs;
        runs.sort_by_key(|(code, rank, _)| (place.get(code).copied().unwrap_or(usize::MAX), *rank));
        runs.into_iter().flat_map(|(_, _, pieces)| pieces).collect()
    }

    /// The series to go through in order of their text, null last. `None` stands for the table without series.
    pub(crate) fn ordered_series(&self) -> Result<Vec<Option<u32>>> {
        let Some(series_column) = self.meta().series_column else {
            return Ok(vec![None]);
        };
        if let Some(codes) = &self.codes {
            return Ok(codes.iter().copied().map(Some).collect());
        }
        let mut present = RoaringBitmap::new();
        let mut has_null = false;
        for cluster in &self.clusters {
            for segment in &cluster.segments {
                let segment = self.open(segment)?;
                present |= &segment.meta().series;
                has_null |= segment.meta().null_series;
            }
        }
        let mut codes: Vec<u32> = present.into_iter().collect();
        if let Some(domain) = self.output.domain_of(series_column) {
            domain.sort_by_text(&mut codes);
        }
        if has_null {
            codes.push(NULL_CODE);
        }
        Ok(codes.into_iter().map(Some).collect())
    }
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
fn memory_segments(scan: &Scan) -> Result<Vec<Arc<Segment>>> {
    let blocks = scan.snapshot.live().blocks(scan.meta().table, &scan.time)?;
    blocks.par_iter().map(|block| block.segment()).collect()
}

fn clusters(scan: &Scan, memory: &[Arc<Segment>]) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    let mut end = i64::MIN;
    let time = &scan.time;
    let mut partitions = scan.table.partitions_between(time.clone());
    partitions.extend(memory.iter().map(|segment| {
        let reference = segment.reference();
        (reference.partition, Arc::new(vec![Arc::clone(reference)]))
    }));
    partitions.sort_by_key(|(key, _)| (key.start, std::cmp::Reverse(key.unit)));
    for (key, segments) in partitions {
        let mut inside = segments
            .iter()
            .filter(|segment| {
                segment.max_time >= time.start && (segment.min_time < time.end || time.end == i64::MAX)
            })
            .cloned()
            .peekable();
        if inside.peek().is_none() {
            continue;
        }
        // The last partition of time ends at i64::MAX, which is then inside of it.
        if key.start >= end && end != i64::MAX || clusters.is_empty() {
            clusters.push(Cluster::default());
        }
        end = end.max(key.end());
        if let Some(cluster) = clusters.last_mut() {
            cluster.segments.extend(inside);
        }
    }
    for cluster in &mut clusters {
        // Stable: segments of one commit in one partition keep the order in which they were written.
        cluster.segments.sort_by_key(|segment| segment.first_commit);
    }
    clusters
}
