//! Rows on a regular grid: one of each series in each slot of a range.
//!
//! | module | owns |
//! | --- | --- |
//! | `options` | what is asked for |
//! | `seeds` | values from before and after the range |
//! | `reader` | the rows of a part, slot by slot |
//! | `column` | one column of them: what each slot has |
//! | `constant` | a constant in the type of its column |

mod column;
mod constant;
mod options;
mod reader;
mod seeds;

use std::sync::Arc;

use arrow_array::StringArray;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use gapless_engine::scan::{Order, Scan};
use gapless_engine::{Error, Result};

use super::latest::instant;
use super::slots::{Slots, asked_series, scan_under};
use super::{ColumnSet, Input, Need, Operator, Planner, ScanRows, Shape, unknown_column};
use crate::bucket::Bucket;
use crate::source::{Layout, Member, RowsIter, SeriesList, Source, ordered};
use column::ValueColumn;
use options::Kind;
pub use options::{Fill, FillMethod, constant, linear, previous};
use reader::Reader;
use seeds::{Gaps, Seeds};

/// The weight of a series does not grow beyond that of so many slots.
const WEIGHT_MAX: u64 = 1 << 32;

/// One row of each series in each slot.
#[derive(Debug, Clone)]
pub(crate) struct Filling {
    input: Input,
    fill: Arc<Fill>,
    bucket: Bucket,
    slots: Slots,
    /// What each column of the result is.
    roles: Vec<Role>,
    shape: Shape,
}

/// What a column of the result is.
#[derive(Debug, Clone)]
pub(crate) enum Role {
    Time,
    Series,
    Observed,
    Value(Filled),
}

/// A column that is filled.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    name: String,
    data_type: DataType,
    is_nullable: bool,
    kind: Kind,
    max_age: Option<i64>,
}

impl Filling {
    pub(crate) fn new(input: Input, fill: Fill) -> Result<Self> {
        let shape = input.shape();
        if shape.time.is_none() {
            return Err(Error::invalid(
                "these rows have no time, so they are in no slot: fill before the time is left out",
            ));
        }
        let bucket = fill.bucket.clone()?;
        let own = || scan_under(&input).map(|scan| (scan.time_range().start, scan.time_range().end));
        let range = fill
            .range
            .or_else(own)
            .filter(|(start, end)| *start > i64::MIN && *end < i64::MAX);
        let (start, end) = range.ok_or_else(|| {
            Error::invalid("a fill needs a range with a start and an end: give it with Fill::between, or scan between two times")
        })?;
        if fill.stop_at_gaps.is_some() && scan_under(&input).is_none() {
            return Err(Error::invalid(
                "these rows come from no table, so nothing is known of gaps at which a fill could stop",
            ));
        }
        check_methods(&fill, shape)?;
        let (fields, roles) = columns(&fill, shape)?;
        Ok(Self {
            slots: Slots::new(&bucket, start, end)?,
            shape: Shape {
                schema: Arc::new(Schema::new(fields)),
                time: shape.time.clone(),
                series: shape.series.clone(),
                is_ordered: true,
            },
            fill: Arc::new(fill),
            bucket,
            roles,
            input,
        })
    }

    /// The scan that can be read beyond its range: not one that was cut to its first rows.
    fn scan(&self) -> Option<Scan> {
        let scan = self.input.as_scan()?;
        let is_whole = scan.order_and_limit().1.is_none();
        is_whole.then(|| scan.clone().order(Order::Series))
    }
}

fn check_methods(fill: &Fill, shape: &Shape) -> Result<()> {
    for (at, (name, method)) in fill.methods.iter().enumerate() {
        let field = shape
            .schema
            .field_with_name(name)
            .map_err(|_| unknown_column(name, &shape.schema))?;
        if Some(name.as_str()) == shape.time_name() || Some(name.as_str()) == shape.series_name() {
            return Err(Error::invalid(format!(
                "column {name:?} says which slot a row is, so it is not filled"
            )));
        }
        if fill.methods.iter().take(at).any(|(other, _)| other == name) {
            return Err(Error::invalid(format!(
                "column {name:?} is to be filled in two ways: say it once"
            )));
        }
        if method.max_age.is_some() && method.kind != Kind::Previous {
            return Err(Error::invalid(format!(
                "column {name:?}: only what previous() carries has a greatest age"
            )));
        }
        match &method.kind {
            Kind::Linear => drop(line_type(name, field.data_type())?),
            Kind::Constant(value) => drop(constant::array(name, value, field.data_type())?),
            Kind::Null | Kind::Previous => {}
        }
    }
    Ok(())
}

/// The type of values between others.
fn line_type(name: &str, data_type: &DataType) -> Result<DataType> {
    match data_type {
        float if float.is_floating() => Ok(float.clone()),
        number if number.is_numeric() => Ok(DataType::Float64),
        other => Err(Error::invalid(format!(
            "column {name:?} is {other}, which has no values in a line: fill it with previous() or constant()"
        ))),
    }
}

fn columns(fill: &Fill, shape: &Shape) -> Result<(Vec<Field>, Vec<Role>)> {
    let (mut fields, mut roles) = (Vec::new(), Vec::new());
    for field in shape.schema.fields() {
        let name = field.name();
        if Some(name.as_str()) == shape.time_name() {
            fields.push(field.as_ref().clone().with_nullable(false));
            roles.push(Role::Time);
            continue;
        }
        if Some(name.as_str()) == shape.series_name() {
            fields.push(field.as_ref().clone());
            roles.push(Role::Series);
            continue;
        }
        let method = fill
            .methods
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, method)| method);
        let method = method.cloned().unwrap_or(FillMethod::null());
        let data_type = match method.kind {
            Kind::Linear => line_type(name, field.data_type())?,
            _ => field.data_type().clone(),
        };
        let is_always = matches!(method.kind, Kind::Constant(_)) && fill.stop_at_gaps.is_none();
        fields.push(Field::new(name, data_type, !is_always).with_metadata(field.metadata().clone()));
        roles.push(Role::Value(Filled {
            name: name.clone(),
            data_type: field.data_type().clone(),
            is_nullable: field.is_nullable(),
            max_age: fill.age_of(&method)?.filter(|_| method.kind == Kind::Previous),
            kind: method.kind,
        }));
    }
    if let Some(name) = &fill.observed {
        if fields.iter().any(|field| field.name() == name) {
            return Err(Error::invalid(format!(
                "two columns would be called {name:?}: give what says whether a row was there another name"
            )));
        }
        fields.push(Field::new(name, DataType::Boolean, false));
        roles.push(Role::Observed);
    }
    Ok((fields, roles))
}

impl Operator for Filling {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.input]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let fields = self.shape.schema.fields().iter().zip(&self.roles);
        let (fields, roles): (Vec<_>, Vec<_>) = fields
            .filter(|(field, _)| columns.contains(field.name()))
            .map(|(field, role)| (Arc::clone(field), role.clone()))
            .unzip();
        let mut needed: ColumnSet = roles
            .iter()
            .filter_map(|role| match role {
                Role::Value(filled) => Some(filled.name.clone()),
                _ => None,
            })
            .collect();
        if self.scan().is_none() {
            super::add_order_columns(&mut needed, self.input.shape());
        }
        Ok(Arc::new(Self {
            input: self.input.pruned(&needed)?,
            shape: Shape {
                schema: Arc::new(Schema::new(fields)),
                ..self.shape.clone()
            },
            roles,
            ..self.clone()
        }))
    }

    fn source(&self, planner: &Planner, _need: Need) -> Result<Arc<dyn Source>> {
        let range = self.slots.range();
        let scan = self.scan();
        let input: Input = match &scan {
            Some(scan) => Arc::new(ScanRows::new(scan.clone().between(range.start, range.end))?),
            None => Arc::clone(&self.input),
        };
        let asked = asked_series(&self.input).map(|names: StringArray| {
            let weights = names.iter().map(|_| self.slots.count().min(WEIGHT_MAX)).collect();
            planner.list.join(names, weights)
        });
        let input = ordered(&input, planner)?;
        let seeds = match &scan {
            Some(scan) => Seeds::of_scan(scan, &self.roles, &range, &planner.list, input.schema())?,
            None => Seeds::default(),
        };
        let interval = self.fill.stop_at_gaps.clone().transpose()?;
        let gaps = interval
            .zip(scan_under(&self.input))
            .map(|(interval, scan)| Gaps {
                scan: scan.clone(),
                interval,
                has_series: self.shape.series.is_some(),
            });
        Ok(Arc::new(FilledRows {
            schema: Arc::clone(&self.shape.schema),
            roles: self.roles.clone().into(),
            slots: self.slots.clone(),
            list: Arc::clone(&planner.list),
            input,
            asked,
            seeds,
            gaps,
        }))
    }

    fn describe(&self) -> String {
        let range = self.slots.range();
        let methods: Vec<String> = self
            .fill
            .methods
            .iter()
            .map(|(name, method)| format!("{name} {method}"))
            .collect();
        format!(
            "fill slots of {} from {} to {}: {}",
            self.bucket,
            instant(range.start),
            instant(range.end),
            methods.join(", ")
        )
    }
}

/// What runs.
struct FilledRows {
    input: Arc<dyn Source>,
    schema: SchemaRef,
    roles: Arc<[Role]>,
    slots: Slots,
    list: Arc<SeriesList>,
    /// The series that are given whether they have rows or not.
    asked: Option<Member>,
    seeds: Seeds,
    gaps: Option<Gaps>,
}

impl FilledRows {
    /// The series of a part that were asked for, by number; `None` where those are that have rows.
    fn asked(&self, part: usize) -> Result<Option<Vec<u32>>> {
        let Some(member) = self.asked else {
            return Ok(None);
        };
        let (own, numbers) = self.list.members(member, part)?;
        let number = |at: usize| match &numbers {
            Some(numbers) => numbers.get(at).copied(),
            None => u32::try_from(at).ok(),
        };
        Ok(Some(own.filter_map(number).collect()))
    }
}

impl Source for FilledRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.list.part_count()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let of_part = self.list.part(part)?;
        let names = self.list.names()?.slice(of_part.start as usize, of_part.len());
        let seeds = self.seeds.load(part)?;
        let gaps = match &self.gaps {
            Some(gaps) => gaps.load(&of_part, &names, &seeds, &self.slots.range())?,
            None => Default::default(),
        };
        let columns = ValueColumn::all(&self.roles, self.input.schema())?;
        let mut reader = Reader::new(self.input.open(part)?, columns, seeds, gaps, self.input.schema())?;
        reader.schema = Arc::clone(&self.schema);
        reader.roles = Arc::clone(&self.roles);
        reader.slots = self.slots.clone();
        reader.names = (of_part.start, names);
        reader.asked = self.asked(part)?.map(Into::into);
        Ok(Box::new(std::iter::from_fn(move || reader.next().transpose())))
    }
}
