//! What fills buckets, from the logical node to the node that runs.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Schema, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_datafusion_err, plan_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{ColumnarValue, Expr, LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use gapless_query::{Bucket, Every};

use super::bounds::Bound;
use super::exec::GapFillExec;
use super::filler::Buckets;
use super::loaded::Role;
use super::node::{Filled, GapFill, Method};
use crate::condition::below;
use crate::function::bucket;

const USAGE: &str = "time_bucket_gapfill(interval, time [, zone] [, origin])";

/// Plans gap fills.
pub(crate) struct GapFillPlanner;

#[async_trait]
impl ExtensionPlanner for GapFillPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(fill) = node.as_any().downcast_ref::<GapFill>() else {
            return Ok(None);
        };
        let [input] = inputs else {
            return plan_err!("a gap fill has one input, not {}", inputs.len());
        };
        let constant = |expr: &Expr| {
            let expr = planner.create_physical_expr(expr, &DFSchema::empty(), session, context)?;
            let options = RecordBatchOptions::new().with_row_count(Some(1));
            let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
            match expr.evaluate(&row)? {
                ColumnarValue::Scalar(value) => Ok(value),
                ColumnarValue::Array(values) => ScalarValue::try_from_array(&values, 0),
            }
        };
        let every = fill.every.iter().map(constant).collect::<Result<Vec<_>>>()?;
        let Some((every, further)) = every.split_first() else {
            return plan_err!("{USAGE}: the interval is missing");
        };
        let buckets = Buckets {
            bucket: bucket(every, further.iter(), USAGE)?,
            range: range(fill, constant)?,
        };
        check(&buckets)?;
        let roles = roles(fill, input)?;
        let schema = Arc::clone(fill.schema.inner());
        let exec = GapFillExec::new(Arc::clone(input), roles, buckets, fill.is_flagged, schema)?;
        below(
            &fill.above,
            Arc::new(exec),
            &fill.schema,
            planner,
            session,
            context,
        )
        .map(Some)
    }
}

/// From the latest of the starts to the earliest of the ends. No row is compared with null, so then the range is empty.
fn range(fill: &GapFill, constant: impl Fn(&Expr) -> Result<ScalarValue>) -> Result<Range<i64>> {
    let instant = |bound: &Bound| {
        let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let value = constant(&bound.value)?;
        let value = match value.data_type() {
            DataType::Timestamp(_, zone) => {
                value.cast_to(&DataType::Timestamp(TimeUnit::Nanosecond, zone))?
            }
            _ => value.cast_to(&time)?,
        };
        match value {
            ScalarValue::TimestampNanosecond(Some(ns), _) if bound.is_after => Ok(Some(ns.saturating_add(1))),
            ScalarValue::TimestampNanosecond(ns, _) => Ok(ns),
            other => plan_err!("time_bucket_gapfill: the time is compared with {other}, which is none"),
        }
    };
    let all = |bounds: &[Bound]| bounds.iter().map(instant).collect::<Result<Option<Vec<i64>>>>();
    let (starts, ends) = (all(&fill.bounds.starts)?, all(&fill.bounds.ends)?);
    let start = starts.and_then(|starts| starts.into_iter().max());
    let end = ends.and_then(|ends| ends.into_iter().min());
    Ok(match (start, end) {
        (Some(start), Some(end)) if start < end => start..end,
        _ => 0..0,
    })
}

/// The first and the last bucket must be whole.
fn check(buckets: &Buckets) -> Result<()> {
    let (Every::Ns(every), range) = (buckets.bucket.every(), &buckets.range) else {
        return Ok(());
    };
    let is_whole = |bucket: Range<i64>| bucket.end.checked_sub(bucket.start) == Some(every);
    let of = |time| Bucket::range(&buckets.bucket, time);
    match range.is_empty() || (is_whole(of(range.start)) && is_whole(of(range.end - 1))) {
        true => Ok(()),
        false => plan_err!(
            "time_bucket_gapfill: the buckets of the range reach beyond what times can be: give a narrower range"
        ),
    }
}

/// What each column of the input is.
fn roles(fill: &GapFill, input: &Arc<dyn ExecutionPlan>) -> Result<Arc<[Role]>> {
    let columns = fill.input.schema().columns().into_iter().map(Expr::Column);
    let method = |column: &Expr| {
        let of = |filled: &&Filled| filled.column == *column;
        fill.filled.iter().find(of).map(|filled| &filled.method)
    };
    let roles = columns.map(|column| {
        if fill.keys.contains(&column) {
            return Ok(Role::Key);
        }
        if fill.bucket == column {
            return Ok(Role::Bucket);
        }
        Ok(match method(&column) {
            None => Role::Default(None),
            Some(Method::Default(value)) => Role::Default(Some(value.to_array()?)),
            Some(Method::Locf { age_max }) => Role::Locf(*age_max),
            Some(Method::Interpolate) => Role::Line,
        })
    });
    let roles: Arc<[Role]> = roles.collect::<Result<_>>()?;
    match roles.len() == input.schema().fields().len() {
        true => Ok(roles),
        false => Err(plan_datafusion_err!(
            "a gap fill has columns that its input has not"
        )),
    }
}
