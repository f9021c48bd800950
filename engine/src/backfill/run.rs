//! One unit of work, from its claim to its report: what blocking and asynchronous jobs share.
//!
//! Nothing here waits or calls a strategy. [`GapRun::begin`] claims, the driver lets a strategy fill, [`GapRun::after`] says what
//! is next.

use std::sync::Arc;
use std::time::Duration;

use gapless_format::CoverageState;

use super::event;
use super::job::JobCore;
use super::observe::InProgress;
use super::plan::Unit;
use super::report::{GapOutcome, GapReport};
use super::strategy::{BackfillError, BackfillErrorKind, Filled};
use super::writer::GapWriter;
use crate::clock::Stopwatch;
use crate::coverage::{Gap, TableCoverage};
#[cfg(any(test, feature = "tokio"))]
use crate::error::Error;
use crate::error::{ErrorKind, Result};
use crate::lease::{Claim, Lease, LeaseKey, LeaseRequest};

/// A unit that is leased to this job. Dropped before it is over, it gives the lease back.
#[derive(Debug)]
pub(crate) struct GapRun {
    core: Arc<JobCore>,
    writer: GapWriter,
    attempt: u32,
    watch: Stopwatch,
    is_over: bool,
    /// Once it is clear that something is to be done.
    in_progress: Option<InProgress>,
}

/// What a claim gave.
pub(crate) enum Begun {
    /// It may be filled.
    Ready(Box<GapRun>),
    /// It needs nothing, or nothing can be done.
    Over(GapReport),
    /// Another worker has it.
    Held(Unit),
}

/// A unit that was asked for.
pub(crate) enum Claimed {
    /// It is leased to this job.
    Leased(Leased),
    /// Another worker has it.
    Held(Unit),
}

/// A unit that is leased to this job, and what is known of the table since.
pub(crate) struct Leased {
    pub(crate) unit: Unit,
    pub(crate) lease: Lease,
    coverage: Result<Arc<TableCoverage>>,
}

fn request(core: &JobCore, unit: &Unit) -> LeaseRequest {
    LeaseRequest {
        table: core.meta.table,
        key: LeaseKey::new(unit.gap.series.as_deref(), unit.gap.interval, unit.gap.range())
            .world(&core.options.world),
        holder: core.options.holder.clone(),
        batch: core.batch_of(&unit.gap),
        ttl: core.options.lease_ttl,
    }
}

/// What is next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Another attempt, after a pause.
    Retry(Duration),
    /// It is over.
    Over(GapReport),
}

impl GapRun {
    /// Claims units in one go and looks what is known of them. The answers are in the order of the units.
    ///
    /// # Errors
    /// `Io` and the like: of the database, not of the source.
    pub(crate) fn claim(core: &Arc<JobCore>, units: Vec<Unit>) -> Result<Vec<Claimed>> {
        let requests: Vec<LeaseRequest> = units.iter().map(|unit| request(core, unit)).collect();
        let claims = core.leases().claim_many(&requests)?;
        // Looked at under the leases: no other backfill covers any of it from now on.
        let coverage = core.table.coverage().map(Arc::new);
        let claimed = units.into_iter().zip(claims).map(|(unit, claim)| match claim {
            Claim::Granted(lease) => Claimed::Leased(Leased {
                unit,
                lease,
                coverage: coverage.clone(),
            }),
            Claim::Held(_) => Claimed::Held(unit),
        });
        Ok(claimed.collect())
    }

    /// Claims a unit and looks what is left of it.
    ///
    /// # Errors
    /// As [`GapRun::claim`].
    #[cfg(any(test, feature = "tokio"))]
    pub(crate) fn begin(core: &Arc<JobCore>, unit: Unit) -> Result<Begun> {
        match Self::claim(core, vec![unit])?.pop() {
            Some(Claimed::Leased(leased)) => Self::begin_leased(core, leased),
            Some(Claimed::Held(unit)) => Ok(Begun::Held(unit)),
            None => Err(Error::internal("a request for a lease got no answer")),
        }
    }

    /// Looks what is left of a unit that is leased.
    ///
    /// # Errors
    /// As [`GapRun::claim`].
    pub(crate) fn begin_leased(core: &Arc<JobCore>, leased: Leased) -> Result<Begun> {
        let watch = Stopwatch::start();
        let Leased {
            unit,
            mut lease,
            coverage,
        } = leased;
        let ttl = i64::try_from(core.options.lease_ttl.as_nanos()).unwrap_or(i64::MAX);
        if core.table.database().engine().now_ns() > lease.claimed_at.saturating_add(ttl / 3) {
            // It has waited for those that were claimed with it.
            lease = match core.leases().renew(&lease, core.options.lease_ttl, None) {
                Err(error) if error.kind() == ErrorKind::Lease => return Ok(Begun::Held(unit)),
                renewed => renewed?,
            };
        }
        let batch = lease.batch.clone();
        let code = core.code(unit.gap.series.as_deref())?;
        let covered = coverage?.covered(code, unit.gap.interval, &unit.gap.range());
        let mut writer = GapWriter::new(
            &core.table,
            &core.meta,
            unit,
            code,
            lease,
            &core.writer_options(batch),
        )?;
        writer.leave_out(&covered);
        let mut run = Self {
            core: Arc::clone(core),
            writer,
            attempt: 1,
            watch,
            is_over: false,
            in_progress: None,
        };
        if run.writer.remaining().is_empty() {
            return Ok(Begun::Over(run.end(GapOutcome::Covered, 0)));
        }
        run.in_progress = Some(InProgress::begin(&core.observer));
        core.observer.progress(&run.writer.lease().key, 0.0);
        event::start(&run.writer);
        event::attempt(&run.core, &run.writer, 1);
        Ok(Begun::Ready(Box::new(run)))
    }

    /// The gap and the writer, for a strategy.
    pub(crate) fn parts(&mut self) -> (Gap, &mut GapWriter) {
        (self.writer.gap().clone(), &mut self.writer)
    }

    /// What follows from what a strategy said.
    pub(crate) fn after(&mut self, outcome: Result<Filled, BackfillError>, random: f64) -> Next {
        let error = match outcome {
            Ok(_) => {
                let outcome = self.outcome();
                match &outcome {
                    GapOutcome::Failed(why) => event::failed(&self.core, &self.writer, self.attempt, why),
                    done => event::succeeded(&self.core, &self.writer, self.attempt, done),
                }
                return Next::Over(self.over(outcome));
            }
            Err(error) => error,
        };
        event::failed(&self.core, &self.writer, self.attempt, &error.to_string());
        let outcome = match error.kind() {
            BackfillErrorKind::Transient => {
                if let Some(pause) = self
                    .core
                    .options
                    .retry
                    .pause(self.attempt, error.retry_after(), random)
                {
                    event::retry(&self.writer, self.attempt, &error);
                    self.core.observer.retried(self.writer.gap());
                    self.attempt += 1;
                    return Next::Retry(pause);
                }
                GapOutcome::Failed(error.to_string())
            }
            BackfillErrorKind::LeaseLost => GapOutcome::Leased(error.to_string()),
            BackfillErrorKind::Cancelled => GapOutcome::Cancelled,
            BackfillErrorKind::Permanent => GapOutcome::Failed(error.to_string()),
        };
        Next::Over(self.over(outcome))
    }

    /// Begins the next attempt after a pause.
    pub(crate) fn again(&mut self) -> Result<(), BackfillError> {
        self.writer.begin_attempt(self.attempt);
        self.writer.renew()?;
        event::attempt(&self.core, &self.writer, self.attempt);
        Ok(())
    }

    /// The job was cancelled before it came to an end.
    pub(crate) fn cancelled(&mut self) -> GapReport {
        self.over(GapOutcome::Cancelled)
    }

    /// How the gap stands when the strategy is done with it.
    fn outcome(&self) -> GapOutcome {
        let states = self.writer.states();
        match self.writer.remaining().is_empty() && !self.writer.is_partial() {
            false if states.is_empty() => {
                GapOutcome::Failed("the strategy has neither rows nor a word for the gap".to_owned())
            }
            false => GapOutcome::Partial,
            true if states.iter().all(|state| *state == CoverageState::Empty) => GapOutcome::Empty,
            true => GapOutcome::Filled,
        }
    }

    /// Ends the lease and tells what became of the gap.
    fn over(&mut self, outcome: GapOutcome) -> GapReport {
        let report = self.end(outcome, self.attempt);
        event::over(&report);
        let (name, key) = (&self.core.strategy_name, &self.writer.lease().key);
        self.core.observer.progress(key, self.writer.completion_ratio());
        self.core.observer.over(name, key, &report);
        report
    }

    /// Ends the lease.
    fn end(&mut self, outcome: GapOutcome, attempts: u32) -> GapReport {
        self.is_over = true;
        let leases = self.core.leases();
        let ended = match &outcome {
            GapOutcome::Leased(_) => Ok(()),
            GapOutcome::Filled | GapOutcome::Empty | GapOutcome::Covered => {
                self.core.note_ended(self.writer.lease());
                Ok(())
            }
            GapOutcome::Failed(why) => leases.fail(self.writer.lease(), why),
            GapOutcome::Partial => leases.fail(self.writer.lease(), "the source has not given all"),
            GapOutcome::Cancelled => leases.fail(self.writer.lease(), "cancelled"),
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a lease could not be ended and expires by itself");
        }
        GapReport {
            gap: self.writer.gap().clone(),
            outcome,
            rows: self.writer.counts(),
            attempts,
            elapsed: self.watch.elapsed(),
        }
    }
}

impl Drop for GapRun {
    fn drop(&mut self) {
        if !self.is_over {
            // Nobody writes under it any more: others need not wait until it expires.
            let lease = self.writer.lease();
            if let Err(error) = self.core.leases().fail(lease, "given up") {
                tracing::debug!(%error, "a lease could not be given back and expires by itself");
            }
        }
    }
}
