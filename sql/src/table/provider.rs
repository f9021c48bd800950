//! A table of the database as DataFusion's table provider.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, plan_err};
use datafusion::datasource::sink::DataSinkExec;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use gapless_engine::scan::Predicate;
use gapless_engine::{Database, Result as EngineResult, Scan, Snapshot};
use gapless_format::TableMeta;

use super::exec::{SortedBy, TableScanExec};
use super::filter::condition;
use super::insert::TableSink;
use super::instants::in_utc;
use super::split::{extents, split};
use super::statistics::Known;
use super::wanted::Wanted;
use crate::error::to_datafusion;

/// A table as one snapshot has it. Rows that are inserted go to the database itself.
#[derive(Debug)]
pub(crate) struct GaplessTable {
    database: Database,
    snapshot: Snapshot,
    meta: Arc<TableMeta>,
    schema: SchemaRef,
    /// With the zones that the table shows its times in.
    stored: SchemaRef,
}

impl GaplessTable {
    pub(crate) fn new(database: &Database, snapshot: &Snapshot, name: &str) -> EngineResult<Self> {
        let scan = snapshot.scan(name)?;
        let stored = scan.schema()?;
        Ok(Self {
            database: database.clone(),
            snapshot: snapshot.clone(),
            meta: Arc::clone(scan.meta()),
            schema: in_utc(&stored),
            stored,
        })
    }

    fn plan(
        &self,
        partitions: usize,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<TableScanExec> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let place = |id: u32| {
            let name = self.meta.column(id).map(|column| column.name.as_str());
            name.and_then(|name| schema.index_of(name).ok())
        };
        let sorted_by = SortedBy {
            time: place(self.meta.time_column),
            series: self.meta.series_column.and_then(place),
            has_series: self.meta.series_column.is_some(),
        };
        let wanted = Wanted::of(filters, &self.meta);
        let extents = extents(&self.snapshot, &self.meta.name).map_err(to_datafusion)?;
        // The first rows are found by one thread as fast.
        let partitions = if limit.is_some() { 1 } else { partitions };
        let ranges = split(&extents, &wanted.time, partitions);
        let (snapshot, table) = (self.snapshot.clone(), self.meta.name.clone());
        Ok(TableScanExec::new(
            snapshot, table, schema, sorted_by, wanted, ranges, limit,
        ))
    }
}

impl GaplessTable {
    /// The table's description.
    pub(crate) const fn meta(&self) -> &Arc<TableMeta> {
        &self.meta
    }

    /// The rows for which conditions of a `TableScan` hold, at the statement's snapshot, as a scan for native operators: all columns, by
    /// series and time. Where the engine cannot tell exactly which these are ([`exact_condition`](Self::exact_condition)), there may
    /// be others among them.
    pub(crate) fn scan_of(&self, filters: &[Expr]) -> EngineResult<Scan> {
        let wanted = Wanted::of(filters, &self.meta);
        wanted.scan(&self.snapshot, &self.meta.name)
    }

    /// The condition of the engine that holds for the same rows, if there is one.
    pub(crate) fn exact_condition(&self, filter: &Expr) -> Option<Predicate> {
        let condition = condition(filter, &self.meta)?;
        condition.is_exact.then_some(condition.predicate)
    }

    /// Whether it is known without reading rows how many there are for which conditions hold, and when the first and the last is.
    pub(crate) fn knows_rows(&self, filters: &[Expr]) -> bool {
        let wanted = Wanted::of(filters, &self.meta);
        let known = Known::of(&self.snapshot, &self.meta.name, &wanted, &wanted.time);
        known.is_ok_and(|known| known.is_exact())
    }
}

#[async_trait]
impl TableProvider for GaplessTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match condition(filter, &self.meta) {
            Some(condition) if condition.is_exact => TableProviderFilterPushDown::Exact,
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = state.config().target_partitions();
        let scan = self.plan(partitions, projection, filters, limit)?;
        Ok(Arc::new(scan))
    }

    async fn insert_into(
        &self,
        _: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        operation: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if operation != InsertOp::Append {
            return plan_err!(
                "{operation} is not there: delete or replace the range of time in question, then insert"
            );
        }
        let table = self.database.table(&self.meta.name).map_err(to_datafusion)?;
        let sink = TableSink::new(table, &self.schema, &self.stored);
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }
}
