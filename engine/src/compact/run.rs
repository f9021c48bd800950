//! Runs a plan: task by task, each one atomic commit.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gapless_format::{EditItem, SegmentOrigin, SegmentRef};

use super::budget::Budget;
use super::deletions;
use super::expire::Expired;
use super::plan::{Plan, Task, TaskKind};
use super::policy::Policy;
use super::rewrite::{Rewrite, commit_range, live_state, straddling};
use crate::database::{Engine, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use crate::io;
use crate::manifest::Version;
use crate::write::BuiltSegments;

/// Told how far maintenance is.
pub type OnProgress = Arc<dyn Fn(&MaintenanceProgress) + Send + Sync>;

/// How maintenance is run.
#[derive(Clone)]
pub struct RunOptions {
    /// Bytes read and written in a second at most, about; `None` for as fast as it goes.
    pub bytes_per_s: Option<u64>,
    /// Set to stop it. The commits that were done stay, what was under way leaves nothing behind.
    pub cancel: Arc<AtomicBool>,
    /// Told after each batch of rows how far it is.
    pub progress: Option<OnProgress>,
    /// Threads that work on it: one leaves the others to queries.
    pub threads: usize,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            bytes_per_s: None,
            cancel: Arc::default(),
            progress: None,
            threads: 1,
        }
    }
}

impl std::fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunOptions")
            .field("bytes_per_s", &self.bytes_per_s)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// How far maintenance is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MaintenanceProgress {
    /// The task under way, from 0.
    pub task: usize,
    /// All tasks.
    pub tasks: usize,
    /// Bytes read and written so far, about.
    pub bytes: u64,
    /// Bytes that all tasks read and write.
    pub bytes_total: u64,
}

/// What maintenance did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// Tasks that were committed.
    pub done: usize,
    /// Tasks that lost a race against another commit; a new plan has them again if they are still worth it.
    pub lost: usize,
    /// Tasks that failed on damaged files, each with its reason. Their segments stay as they were.
    pub failed: Vec<String>,
    /// Whether it was cancelled before all tasks were done.
    pub cancelled: bool,
    /// Segments that went.
    pub segments_removed: usize,
    /// Segments that were written.
    pub segments_added: usize,
    /// Bytes of the segments that went.
    pub bytes_removed: u64,
    /// Bytes of the segments that were written.
    pub bytes_added: u64,
    /// Segments whose files were removed because no snapshot needs them.
    pub files_of_segments_removed: usize,
}

impl MaintenanceReport {
    /// Whether every task was done.
    pub(crate) fn is_whole(&self) -> bool {
        self.lost == 0 && self.failed.is_empty() && !self.cancelled
    }

    /// Counts what was done after this.
    pub(crate) fn add(&mut self, next: Self) {
        self.done += next.done;
        self.lost += next.lost;
        self.failed.extend(next.failed);
        self.cancelled |= next.cancelled;
        self.segments_removed += next.segments_removed;
        self.segments_added += next.segments_added;
        self.bytes_removed += next.bytes_removed;
        self.bytes_added += next.bytes_added;
        self.files_of_segments_removed += next.files_of_segments_removed;
    }
}

/// Plans and does what is worth doing now.
///
/// # Errors
/// As [`run`].
pub(crate) fn maintain(
    engine: &Arc<Engine>,
    policy: &Policy,
    options: &RunOptions,
) -> Result<MaintenanceReport> {
    let version = engine.refresh()?;
    let (plan, needless) = engine.in_situation(&version, |situation| {
        let needless = deletions::needless(&version, situation);
        (super::plan(&version, policy, situation), needless)
    });
    if plan.tasks.is_empty() && needless.is_empty() {
        return Ok(MaintenanceReport::default());
    }
    run(engine, &plan, options)
}

/// Does what a plan says.
///
/// # Errors
/// `Io`: what was committed until then stays, what was under way leaves nothing behind.
pub(crate) fn run(engine: &Arc<Engine>, plan: &Plan, options: &RunOptions) -> Result<MaintenanceReport> {
    engine.check_writable()?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .thread_name(|number| format!("gapless-maintenance-{number}"))
        .start_handler(|_| io::lower_priority())
        .build()
        .map_err(|error| Error::internal(format!("no threads for maintenance: {error}")))?;
    pool.install(|| Runner::new(engine, plan, options).run())
}

struct Runner<'a> {
    engine: &'a Arc<Engine>,
    plan: &'a Plan,
    options: &'a RunOptions,
    budget: Budget<'a>,
    progress: MaintenanceProgress,
    report: MaintenanceReport,
}

impl<'a> Runner<'a> {
    fn new(engine: &'a Arc<Engine>, plan: &'a Plan, options: &'a RunOptions) -> Self {
        Self {
            engine,
            plan,
            options,
            budget: Budget::new(options.bytes_per_s, &options.cancel),
            progress: MaintenanceProgress {
                tasks: plan.tasks.len(),
                bytes_total: plan.bytes(),
                ..MaintenanceProgress::default()
            },
            report: MaintenanceReport::default(),
        }
    }

    fn run(mut self) -> Result<MaintenanceReport> {
        let mut before = 0;
        for (at, task) in self.plan.tasks.iter().enumerate() {
            if self.budget.is_cancelled() {
                self.report.cancelled = true;
                break;
            }
            self.progress.task = at;
            match self.task(task) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    tracing::debug!(%error, kind = task.kind.name(), "maintenance lost a race");
                    self.report.lost += 1;
                }
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                    tracing::error!(%error, kind = task.kind.name(), "maintenance leaves damaged segments alone");
                    self.report.failed.push(error.to_string());
                }
                Err(error) => return Err(error),
            }
            before += task.bytes();
            self.progress.bytes = before;
            self.tell();
        }
        self.drop_needless_deletions()?;
        self.remove_files();
        Ok(self.report)
    }

    fn tell(&self) {
        if let Some(progress) = &self.options.progress {
            progress(&self.progress);
        }
    }

    fn task(&mut self, task: &Task) -> Result<()> {
        let snapshot = Snapshot::newest(self.engine)?;
        if task.kind == TaskKind::Expire {
            return self.expire(task);
        }
        let rewrite = self.engine.in_situation(snapshot.version(), |situation| {
            Rewrite::new(self.engine, &snapshot, task, situation)
        })?;
        let Some(built) = rewrite.run(&mut |rows| self.took(task, rows))? else {
            self.report.cancelled = true;
            return Ok(());
        };
        self.commit(task, &rewrite, built)
    }

    /// A batch of rows was written. Whether to go on.
    fn took(&mut self, task: &Task, rows: u64) -> bool {
        let share = u128::from(task.bytes()) * u128::from(rows) / u128::from(task.rows.max(1));
        let bytes = u64::try_from(share).unwrap_or(u64::MAX);
        self.progress.bytes = (self.progress.bytes + bytes).min(self.progress.bytes_total);
        self.tell();
        self.budget.spend(bytes);
        !self.budget.is_cancelled()
    }

    fn expire(&mut self, task: &Task) -> Result<()> {
        let mut removed: Vec<Arc<SegmentRef>> = Vec::new();
        let gone = || Error::conflict("what was to expire is gone already");
        let newest = self.engine.refresh()?;
        let state = newest.table_by_id(task.table).ok_or_else(gone)?;
        let expired = Expired::new(self.engine, state, task.partition.end())?;
        expired.commit(self.engine, |version| {
            let state = version.table_by_id(task.table).ok_or_else(gone)?;
            let is_live = |segment: &&Arc<SegmentRef>| state.segment(segment.segment).is_some();
            removed = task.segments.iter().filter(is_live).cloned().collect();
            match removed.is_empty() {
                true => Err(gone()),
                false => Ok((Arc::clone(state), removals(&removed))),
            }
        })?;
        self.count(&removed, &[]);
        Ok(())
    }

    fn commit(&mut self, task: &Task, rewrite: &Rewrite<'_>, built: BuiltSegments) -> Result<()> {
        let committed = self
            .engine
            .commit(|version, _| self.edit(version, task, rewrite, &built.segments));
        match committed {
            Ok(_) => {
                self.count(&task.segments, &built.segments);
                built.keep();
                Ok(())
            }
            Err(error) => {
                if error.kind() == ErrorKind::Io && self.engine.manifest().check_poison().is_err() {
                    built.keep(); // It may have happened: its files must stay. If it has not, they are orphans.
                }
                Err(error)
            }
        }
    }

    /// Old segments out, new ones in, and what that makes of the deletions.
    fn edit(
        &self,
        version: &Version,
        task: &Task,
        rewrite: &Rewrite<'_>,
        built: &[SegmentRef],
    ) -> Result<Vec<EditItem>> {
        let state = live_state(version.table_by_id(task.table), task)?;
        let mut next_id = || self.engine.next_segment().0;
        let of_deletions = self.engine.in_situation(version, |situation| {
            let applied = rewrite.applied();
            deletions::after_rewrite(version, state, &task.segments, &applied, situation, &mut next_id)
        });
        let is_settled = |id: u64| {
            of_deletions.iter().any(|item| match item {
                EditItem::DropDeletion { deletion } => *deletion == id,
                EditItem::Delete(deletion) => deletion.deletion == id,
                _ => false,
            })
        };
        let straddles = straddling(version.deletions(task.table), &task.segments)
            .any(|other| !is_settled(other.deletion));
        if straddles && !rewrite.has_commits() && !built.is_empty() {
            return Err(Error::conflict(format!(
                "table {:?}: a deletion came between the rows of a compaction",
                task.table_name
            )));
        }
        let (first_commit, last_commit) = commit_range(&task.segments);
        let mut items = removals(&task.segments);
        items.extend(built.iter().map(|segment| {
            EditItem::AddSegment(SegmentRef {
                created: version.number() + 1,
                first_commit,
                last_commit,
                origin: SegmentOrigin::Compaction,
                stream: 0,
                ..segment.clone()
            })
        }));
        items.extend(of_deletions);
        Ok(items)
    }

    fn count(&mut self, removed: &[Arc<SegmentRef>], added: &[SegmentRef]) {
        let bytes: u64 = added.iter().map(|segment| segment.bytes).sum();
        self.engine.stats().note_compacted(bytes);
        self.report.done += 1;
        self.report.segments_removed += removed.len();
        self.report.segments_added += added.len();
        self.report.bytes_removed += removed.iter().map(|segment| segment.bytes).sum::<u64>();
        self.report.bytes_added += bytes;
    }

    fn drop_needless_deletions(&self) -> Result<()> {
        let find = |version: &Version| {
            self.engine
                .in_situation(version, |situation| deletions::needless(version, situation))
        };
        if find(&*self.engine.refresh()?).is_empty() {
            return Ok(());
        }
        self.engine.commit(|version, _| Ok(find(version))).map(|_| ())
    }

    /// Files that cannot be removed now stay for a later garbage collection.
    fn remove_files(&mut self) {
        if self.report.segments_removed == 0 {
            return;
        }
        match self.engine.collect_removed() {
            Ok(removed) => self.report.files_of_segments_removed = removed.segments,
            Err(error) => {
                tracing::warn!(%error, "files of removed segments stay until the next garbage collection")
            }
        }
    }
}

fn removals(segments: &[Arc<SegmentRef>]) -> Vec<EditItem> {
    let remove = |segment: &Arc<SegmentRef>| EditItem::RemoveSegment {
        table: segment.table,
        segment: segment.segment,
    };
    segments.iter().map(remove).collect()
}
