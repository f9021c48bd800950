//! Runs a repair: checks, plans, and commits segment by segment, beside readers and writers.

use std::sync::Arc;

use gapless_format::{CoverageKey, CoverageRecord, CoverageRef, EditItem, TableMeta};

use super::plan::{RepairPlan, exchange, nothing_known, records, reported, reported_coverage, statements};
use super::quarantine::{self, Note};
use super::report::{RepairOptions, RepairReport};
use super::salvage::salvage;
use crate::check::{
    CheckOptions, Counts, CoverageDamage, Finding, FindingKind, SegmentDamage, examine, lost_ranges,
};
use crate::coverage::{NewCoverage, merge_files, write_coverage};
use crate::database::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Version;
use crate::segment::discard::SegmentGuard;

/// Repairs what a check finds damaged.
pub(crate) fn repair(engine: &Arc<Engine>, options: &RepairOptions) -> Result<RepairReport> {
    let check = CheckOptions {
        table: options.table.clone(),
        progress: options.progress.clone(),
    };
    let _alone = match options.dry_run {
        true => None,
        false => quarantine::lock(&**engine.storage())?,
    };
    let mut examined = examine(engine.storage(), &check)?;
    let symbols = std::mem::take(&mut examined.symbols);
    let mut report = RepairReport {
        is_dry_run: options.dry_run,
        segments_checked: examined.report.segments,
        ..RepairReport::default()
    };
    let plan = RepairPlan::new(examined);
    report.left = plan.left;
    let version = engine.refresh()?;
    report.lost = lost_ranges(
        engine.storage(),
        Some(engine.database()),
        &version,
        &plan.segments,
    );
    if options.dry_run {
        report.coverage = plan
            .coverage
            .iter()
            .map(reported_coverage)
            .collect::<Result<_>>()?;
        report.segments = plan.segments.iter().map(reported).collect::<Result<_>>()?;
        return Ok(report);
    }
    let mut run = Run {
        engine,
        symbols,
        report,
    };
    for damage in &plan.coverage {
        run.coverage(damage)?;
    }
    let mut repaired = Vec::new();
    for damage in &plan.segments {
        if run.segment(damage)? {
            repaired.push(damage.clone());
        }
    }
    let mut report = run.report;
    if repaired.len() < plan.segments.len() {
        report.lost = lost_ranges(engine.storage(), Some(engine.database()), &version, &repaired);
    }
    for table in tables(&plan.segments, &plan.coverage) {
        if let Err(error) = merge_files(engine, table) {
            tracing::warn!(%error, "small coverage files stay until they are merged with others");
        }
    }
    // What a reader still needs moves when it is done, with the next garbage collection.
    if report.has_damage()
        && let Err(error) = engine.collect_removed()
    {
        tracing::warn!(%error, "damaged files stay in their place until the next garbage collection");
    }
    Ok(report)
}

fn tables(segments: &[SegmentDamage], coverage: &[CoverageDamage]) -> Vec<u32> {
    let of_segments = segments.iter().map(|damage| damage.table.table);
    let mut tables: Vec<u32> = of_segments
        .chain(coverage.iter().map(|damage| damage.table.table))
        .collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

struct Run<'a> {
    engine: &'a Arc<Engine>,
    symbols: Counts,
    report: RepairReport,
}

impl Run<'_> {
    /// Repairs a segment; false when it is not the time for it.
    fn segment(&mut self, damage: &SegmentDamage) -> Result<bool> {
        let mut reported = reported(damage)?;
        let place = quarantine::segment_place(&damage.table.name, &damage.reference)?;
        let note = Note::write(&**self.engine.storage(), &place, &segment_note(damage))?;
        let salvaged = match salvage(self.engine, damage, &self.symbols) {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let message = format!("{error}: repair again");
                let finding = Finding::error(FindingKind::PageChecksum, message);
                self.report
                    .left
                    .push(finding.of_segment(&damage.table.name, &damage.reference));
                return Ok(false);
            }
            salvaged => salvaged?,
        };
        let statements = statements(&damage.lost, self.engine.now_ns());
        let lost = match statements.is_empty() {
            true => None,
            false => Some(self.write(&damage.table, &records(&statements))?),
        };
        let (new, guard) = salvaged.unzip();
        let committed = self.engine.commit(|version, now| {
            let mut items = exchange(version, &damage.reference, new.as_ref())?;
            items.extend(lost.as_ref().map(|lost| added(lost, version, now)));
            Ok(items)
        });
        let is_done = self.settle(committed, || {
            note.keep();
            lost.into_iter().for_each(NewCoverage::keep);
            guard.into_iter().for_each(SegmentGuard::keep);
        })?;
        if is_done {
            if let Some(new) = new {
                self.engine.stats().note_compacted(new.bytes);
                reported.salvaged = Some(new.directory);
            }
            self.report.segments.push(reported);
        }
        Ok(is_done)
    }

    /// Takes a coverage file out of use.
    fn coverage(&mut self, damage: &CoverageDamage) -> Result<()> {
        let place = quarantine::coverage_place(&damage.table.name, &damage.reference)?;
        let note = Note::write(&**self.engine.storage(), &place, &coverage_note(damage))?;
        let (key, range) = nothing_known(damage.reference.commit, self.engine.now_ns());
        let nothing = self.write(&damage.table, &[(key, vec![range.record()])])?;
        let (table, file) = (damage.table.table, damage.reference.file);
        let committed = self.engine.commit(|version, now| {
            let state = version.table_by_id(table);
            let is_it = |live: &Arc<CoverageRef>| live.file == file;
            if !state.is_some_and(|state| state.coverage().iter().any(is_it)) {
                return Err(Error::conflict("another commit has replaced the coverage file"));
            }
            Ok(vec![
                EditItem::RemoveCoverage { table, file },
                added(&nothing, version, now),
            ])
        });
        let is_done = self.settle(committed, || {
            note.keep();
            nothing.keep();
        })?;
        if is_done {
            self.report.coverage.push(reported_coverage(damage)?);
        }
        Ok(())
    }

    /// What became of a commit: whether it has happened, and not been overtaken. `keep` keeps the new files.
    fn settle(&mut self, committed: Result<Arc<Version>>, keep: impl FnOnce()) -> Result<bool> {
        match committed {
            Ok(_) => {
                keep();
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {
                self.report.replaced += 1;
                Ok(false)
            }
            Err(error) => {
                if error.kind() == ErrorKind::Io && self.engine.manifest().check_poison().is_err() {
                    keep(); // It may have happened: its files must stay. If it has not, they are orphans.
                }
                Err(error)
            }
        }
    }

    fn write(
        &self,
        table: &TableMeta,
        records: &[(CoverageKey, Vec<CoverageRecord<'_>>)],
    ) -> Result<NewCoverage> {
        write_coverage(self.engine, (table.table, &table.name), records)
    }
}

fn added(new: &NewCoverage, version: &Version, now: i64) -> EditItem {
    let mut file = new.reference().clone();
    (file.created, file.commit) = (version.number() + 1, now);
    EditItem::AddCoverage(file)
}

fn segment_note(damage: &SegmentDamage) -> String {
    let reference = &damage.reference;
    let mut text = format!(
        "Segment {} of table {:?}, partition {}: {} of its {} rows are lost, the others are in another segment.\n\n",
        reference.directory,
        damage.table.name,
        reference.partition.path(),
        damage.rows_lost,
        reference.rows
    );
    text.extend(damage.findings.iter().map(|finding| format!("{finding}\n")));
    text
}

fn coverage_note(damage: &CoverageDamage) -> String {
    let mut text = format!(
        "Coverage file {} of table {:?}: what was said of the table until it was written is unknown now.\n\n",
        damage.reference.name, damage.table.name
    );
    text.extend(damage.findings.iter().map(|finding| format!("{finding}\n")));
    text
}
