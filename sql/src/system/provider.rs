//! A system table as DataFusion's table provider.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use gapless_engine::manifest::TableState;
use gapless_engine::{Database, Result as EngineResult, Snapshot};

use super::{known, storage};
use crate::pump::pump;

/// The names of the system tables.
pub(crate) const NAMES: [&str; 7] = [
    "tables",
    "partitions",
    "segments",
    "columns",
    "coverage",
    "gaps",
    "leases",
];

/// Batches that are made as they are asked for.
type Batches = Box<dyn Iterator<Item = EngineResult<RecordBatch>> + Send>;
/// Makes the batches: those of one table of the database, if only that one is asked for.
type Open = Arc<dyn Fn(Option<String>) -> EngineResult<Batches> + Send + Sync>;
/// The rows of a table of the database; without one, none, in the same columns.
type RowsOfTable = fn(&Snapshot, Option<&TableState>) -> EngineResult<RecordBatch>;

/// A table whose rows are made when a statement asks for them.
#[derive(Clone)]
pub(crate) struct SystemTable {
    name: String,
    schema: SchemaRef,
    open: Open,
}

impl fmt::Debug for SystemTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemTable")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl SystemTable {
    /// A system table of a snapshot; `None` for a name that none has.
    pub(crate) fn named(database: &Database, snapshot: &Snapshot, name: &str) -> EngineResult<Option<Self>> {
        let rows: RowsOfTable = match name {
            "tables" => storage::tables,
            "partitions" => storage::partitions,
            "segments" => storage::segments,
            "columns" => storage::columns,
            "coverage" => known::coverage,
            "gaps" => known::gaps,
            "leases" => return Self::leases(database, snapshot).map(Some),
            _ => return Ok(None),
        };
        let schema = rows(snapshot, None)?.schema();
        let snapshot = snapshot.clone();
        let open = move |only: Option<String>| -> EngineResult<Batches> {
            let names = snapshot.version().table_names().map(str::to_owned);
            let names: Vec<String> = names
                .filter(|name| only.as_ref().is_none_or(|only| only == name))
                .collect();
            let snapshot = snapshot.clone();
            let batches = names
                .into_iter()
                .map(move |name| rows(&snapshot, Some(snapshot.table(&name)?)));
            Ok(Box::new(batches))
        };
        Ok(Some(Self::new(name, schema, open)))
    }

    /// A table of batches that `open` makes.
    pub(super) fn new(
        name: &str,
        schema: SchemaRef,
        open: impl Fn(Option<String>) -> EngineResult<Batches> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            schema,
            open: Arc::new(open),
        }
    }

    fn leases(database: &Database, snapshot: &Snapshot) -> EngineResult<Self> {
        let schema = known::leases(snapshot, &[])?.schema();
        let (database, snapshot) = (database.clone(), snapshot.clone());
        Ok(Self::new("leases", schema, move |_| {
            let batch = known::leases(&snapshot, &database.leases()?);
            Ok(Box::new(std::iter::once(batch)))
        }))
    }
}

/// The table of the database that a condition on `table_name` asks for.
fn asked_table(filter: &Expr) -> Option<&str> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = filter
    else {
        return None;
    };
    match (&**left, &**right) {
        (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column))
            if column.name == "table_name" =>
        {
            value.try_as_str().flatten()
        }
        _ => None,
    }
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match asked_table(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = Arc::new(SystemRows {
            table: self.clone(),
            only: filters.iter().find_map(asked_table).map(str::to_owned),
        });
        let schema = Arc::clone(&self.schema);
        let scan = StreamingTableExec::try_new(schema, vec![rows], projection, [], false, limit)?;
        Ok(Arc::new(scan))
    }
}

/// The rows that one statement asks for.
#[derive(Debug)]
struct SystemRows {
    table: SystemTable,
    only: Option<String>,
}

impl PartitionStream for SystemRows {
    fn schema(&self) -> &SchemaRef {
        &self.table.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (open, only) = (Arc::clone(&self.table.open), self.only.clone());
        let metrics = BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        pump(Arc::clone(&self.table.schema), metrics, move || open(only))
    }
}
