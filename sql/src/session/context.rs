//! One statement's own planner, over one snapshot.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder};
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerRule};
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use gapless_engine::{Database, Result, Snapshot};

use super::builder::SessionBuilder;
use super::embedded::take_out_before;
use super::yields::yielding;
use super::{insert, statement};
use crate::asof::{AsOfRelation, PushDownAsOf, nest_asof_joins};
use crate::catalog::{CATALOG, Catalog, TABLES, check_reference};
use crate::error::from_datafusion;
use crate::exact::ExactRule;
use crate::float_key::FloatKeyRule;
use crate::function;
use crate::gap_fill::GapFillRule;
use crate::planner::GaplessPlanner;
use crate::system::GapsFunction;
use crate::table::ScanOrder;

/// Consumers of memory that a refusal names.
const CONSUMERS_SHOWN: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN;

/// Plans statements.
#[derive(Debug)]
pub(super) struct Planner {
    database: Database,
    /// What statements read, if it is not the newest version.
    pinned: Option<Snapshot>,
    files: bool,
    /// Functions, rules and limits of every statement.
    state: SessionState,
}

impl Planner {
    pub(super) fn new(settings: &SessionBuilder) -> Result<Self> {
        let database = settings.database.clone();
        let pinned = settings
            .snapshot
            .as_deref()
            .map(|name| database.as_of(name))
            .transpose()?;
        Ok(Self {
            pinned,
            files: settings.files,
            state: state(settings).map_err(from_datafusion)?,
            database,
        })
    }

    /// Plans a statement and starts it; its rows come as they are asked for.
    pub(super) async fn start(
        &self,
        text: &str,
        snapshot: Option<Snapshot>,
    ) -> Result<SendableRecordBatchStream> {
        let is_pinned = snapshot.is_some() || self.pinned.is_some();
        let mut statement = statement::parse(text)?;
        statement::check(&mut statement, self.files, is_pinned)?;
        nest_asof_joins(&mut statement);
        let snapshot = match (snapshot, &self.pinned) {
            (Some(snapshot), _) => snapshot,
            (None, Some(pinned)) => pinned.clone(),
            (None, None) => self.database.snapshot()?,
        };
        let state = self.state_at(&snapshot);
        for reference in state
            .resolve_table_references(&statement)
            .map_err(from_datafusion)?
        {
            check_reference(&reference)?;
        }
        let run = async move {
            let plan = state.statement_to_plan(statement).await?;
            let plan = insert::guard(plan)?;
            let context = SessionContext::new_with_state(state);
            let frame = context.execute_logical_plan(plan).await?;
            let task = Arc::new(frame.task_ctx());
            execute_stream(yielding(frame.create_physical_plan().await?)?, task)
        };
        run.await.map_err(from_datafusion)
    }

    /// The planner's state over a snapshot.
    fn state_at(&self, snapshot: &Snapshot) -> SessionState {
        let mut state = self.state.clone();
        let gaps = GapsFunction::new(snapshot.clone());
        state.register_udtf("gapless_gaps", Arc::new(gaps));
        let functions = state.table_functions().keys().cloned().collect();
        let catalog = Catalog::new(&self.database, snapshot, functions);
        state.register_catalog_list(Arc::new(catalog));
        state
    }
}

/// Comparisons are looked at before the types of their sides are made one, keys after that.
fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(ExactRule)];
    rules.extend(Analyzer::new().rules);
    rules.push(Arc::new(GapFillRule));
    rules.push(Arc::new(FloatKeyRule));
    rules
}

/// Functions, rules and limits.
fn state(settings: &SessionBuilder) -> std::result::Result<SessionState, DataFusionError> {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, TABLES)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(settings.threads);
    // Rows come by series and time; a sort of what is sorted costs more than a merge.
    config.options_mut().optimizer.prefer_existing_sort = true;
    // A scan has a share of its rows for each thread; rows of one share keep their order, which decides between equal times.
    config.options_mut().optimizer.enable_round_robin_repartition = false;
    // What a merge of sorted runs keeps for itself: its default would be most of a small memory.
    let reserve = &mut config.options_mut().execution.sort_spill_reservation_bytes;
    *reserve = (*reserve).min(settings.memory_bytes_max / 8);
    let spill = match &settings.spill_directory {
        _ if settings.spill_bytes_max == 0 => DiskManagerMode::Disabled,
        Some(directory) => DiskManagerMode::Directories(vec![directory.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let spill = DiskManagerBuilder::default()
        .with_mode(spill)
        .with_max_temp_directory_size(settings.spill_bytes_max.max(1));
    let pool = TrackConsumersPool::new(FairSpillPool::new(settings.memory_bytes_max), CONSUMERS_SHOWN);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(spill)
        .build_arc()?;
    // First, while a condition lies directly above the join; those that get there later are met in the next round.
    let mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![Arc::new(PushDownAsOf)];
    rules.extend(Optimizer::new().rules);
    let mut physical_rules = PhysicalOptimizer::new().rules;
    take_out_before(&mut physical_rules);
    physical_rules.push(Arc::new(ScanOrder));
    let builder = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_query_planner(Arc::new(GaplessPlanner {
            native: settings.native,
        }))
        .with_relation_planners(vec![Arc::new(AsOfRelation)])
        .with_analyzer_rules(analyzer_rules())
        .with_optimizer_rules(rules)
        .with_physical_optimizer_rules(physical_rules);
    let mut state = builder.build();
    function::register(&mut state)?;
    Ok(state)
}
