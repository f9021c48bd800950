//! One version of the database, pinned: it does not change while it is held, whatever others commit.

use std::sync::Arc;

use gapless_format::Keep;

use super::engine::Engine;
use super::live::LiveView;
use super::pins::PinGuard;
use crate::coverage::TableCoverage;
use crate::error::{Error, Result};
use crate::manifest::{TableState, Version, log};
use crate::scan::Scan;
use crate::subscribe::Position;

/// A pinned version. Its files stay until it is dropped.
#[derive(Debug, Clone)]
pub struct Snapshot {
    engine: Arc<Engine>,
    version: Arc<Version>,
    live: LiveView,
    _pin: Arc<PinGuard>,
}

impl Snapshot {
    /// The newest version, with all that other processes have committed.
    pub(crate) fn newest(engine: &Arc<Engine>) -> Result<Self> {
        engine.check_process()?;
        let (pin, version, live) = engine.consistent_view(|| {
            engine.pins().pin(|| {
                let version = engine.manifest().current();
                (version.number(), version)
            })
        })?;
        Ok(Self {
            engine: Arc::clone(engine),
            version,
            live,
            _pin: Arc::new(pin),
        })
    }

    /// The newest version alone, without a look at any stream.
    pub(crate) fn stored(engine: &Arc<Engine>) -> Result<Self> {
        engine.check_process()?;
        engine.refresh()?;
        let (pin, version) = engine.pins().pin(|| {
            let version = engine.manifest().current();
            (version.number(), version)
        });
        Ok(Self {
            engine: Arc::clone(engine),
            version,
            live: LiveView::default(),
            _pin: Arc::new(pin),
        })
    }

    /// The version that a named snapshot keeps.
    pub(crate) fn named(engine: &Arc<Engine>, name: &str) -> Result<Self> {
        engine.check_process()?;
        let number = snapshot_version(&*engine.refresh()?, name)?;
        let pin = engine.pins().pin_older(number)?;
        // If it was dropped meanwhile, its files may have gone before the pin was seen: look again.
        snapshot_version(&*engine.refresh()?, name)?;
        let version = log::read_snapshot(&**engine.storage(), engine.database(), number)?;
        Ok(Self {
            engine: Arc::clone(engine),
            version,
            live: LiveView::default(),
            _pin: Arc::new(pin),
        })
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The streamed rows that are not in segments yet.
    pub(crate) fn live(&self) -> &LiveView {
        &self.live
    }

    /// The same version without what is only in streams.
    pub(crate) fn without_streams(&self) -> Self {
        Self {
            live: LiveView::default(),
            ..self.clone()
        }
    }

    /// The pinned version.
    pub fn version(&self) -> &Arc<Version> {
        &self.version
    }

    /// Reads rows of a table at this version, also of one that was dropped since.
    ///
    /// # Errors
    /// `NotFound`, listing the tables there are; `Invalid` in a process that was forked from the one that took it.
    pub fn scan(&self, table: &str) -> Result<Scan> {
        self.engine.check_process()?;
        Scan::new(self.clone(), table)
    }

    /// What the snapshot knows of ranges of a table, and what is missing.
    ///
    /// # Errors
    /// `NotFound`, listing the tables there are; `Corrupt` when a coverage file is missing or damaged.
    pub fn coverage(&self, table: &str) -> Result<TableCoverage> {
        self.engine.check_process()?;
        TableCoverage::new(self, table)
    }

    /// The position behind everything that the snapshot has of a table: to go on from it with
    /// [`crate::Table::subscribe`].
    ///
    /// # Errors
    /// `NotFound`, listing the tables there are.
    pub fn position(&self, table: &str) -> Result<Position> {
        Ok(Position::behind(self, self.table(table)?.meta().table))
    }

    /// Whether a deletion or a key may hide rows of a table. If not, its rows are those of its segments and
    /// [`Snapshot::unflushed_rows`].
    ///
    /// # Errors
    /// `NotFound`, listing the tables there are.
    pub fn hides_rows(&self, table: &str) -> Result<bool> {
        let meta = self.table(table)?.meta();
        Ok(meta.keep != Keep::All
            || self.version.deletions(meta.table).next().is_some()
            || !self.live.deletions(meta.table).is_empty())
    }

    /// A table at this version.
    ///
    /// # Errors
    /// `NotFound`, listing the tables there are.
    pub fn table(&self, name: &str) -> Result<&Arc<TableState>> {
        self.version.table(name)
    }
}

fn snapshot_version(version: &Version, name: &str) -> Result<u64> {
    version.snapshot(name).ok_or_else(|| {
        let names: Vec<_> = version.snapshots().map(|(name, _)| format!("{name:?}")).collect();
        let there = if names.is_empty() {
            "there are none".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        Error::not_found(format!("there is no snapshot {name:?}; {there}"))
    })
}
