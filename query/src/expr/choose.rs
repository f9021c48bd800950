//! `and`, `or`, `if`, `coalesce`, `least` and `greatest`: what is computed of which rows.

use std::sync::Arc;

use arrow_arith::boolean;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use arrow_select::{filter::filter, take::take, zip::zip};
use gapless_engine::scan::Comparison;

use super::arithmetic::array;
use super::feed::{Native, chunks, valid};
use super::node::{Kind, Node, Operand, Result, Rows, failed};
use super::types::unify;

/// Conditions of which all, or one, must hold.
pub(super) struct Logic {
    all: bool,
    parts: Vec<Node>,
}

impl Logic {
    /// Binds conditions, each of them boolean. Literals are decided here.
    pub(super) fn bind(all: bool, parts: Vec<Node>) -> Node {
        let truth = |node: &Node| node.scalar().map(|scalar| truth(&scalar.array));
        if parts.iter().any(|part| truth(part) == Some(Some(!all))) {
            return boolean_literal(!all);
        }
        let mut parts: Vec<Node> = (parts.into_iter())
            .filter(|part| truth(part) != Some(Some(all)))
            .collect();
        if parts.iter().all(|part| part.scalar().is_some()) {
            // Nothing is left, or nulls alone.
            return parts.pop().unwrap_or_else(|| boolean_literal(all));
        }
        if parts.len() == 1 {
            return parts.remove(0);
        }
        Node {
            data_type: DataType::Boolean,
            nullable: parts.iter().any(|part| part.nullable),
            kind: Kind::Logic(Self { all, parts }),
        }
    }

    pub(super) fn parts(&self) -> &[Node] {
        &self.parts
    }

    pub(super) fn evaluate(&self, rows: &Rows<'_>) -> Result<Operand> {
        let mut result: Option<BooleanArray> = None;
        for part in &self.parts {
            let open = result.as_ref().map(|result| self.open(result));
            if open.as_ref().is_some_and(|open| open.count_set_bits() == 0) {
                break;
            }
            let next = match &open {
                Some(open) => evaluate_where(part, open, rows)?,
                None => part.evaluate(rows)?,
            };
            let next = next.into_rows(rows.len)?;
            let next = next.as_boolean();
            result = Some(match result {
                None => next.clone(),
                Some(result) if self.all => boolean::and_kleene(&result, next).map_err(failed)?,
                Some(result) => boolean::or_kleene(&result, next).map_err(failed)?,
            });
        }
        let decided = || BooleanArray::new(BooleanBuffer::collect_bool(rows.len, |_| self.all), None);
        Ok(Operand::rows(Arc::new(result.unwrap_or_else(decided))))
    }

    /// Rows that the next condition still decides about.
    fn open(&self, result: &BooleanArray) -> BooleanBuffer {
        let decided = if self.all {
            !result.values()
        } else {
            result.values().clone()
        };
        match result.nulls() {
            None => !&decided,
            Some(nulls) => !&(&decided & nulls.inner()),
        }
    }
}

fn truth(array: &ArrayRef) -> Option<bool> {
    let array = array.as_boolean_opt()?;
    (!array.is_null(0)).then(|| array.value(0))
}

fn boolean_literal(value: bool) -> Node {
    Node::literal(Arc::new(BooleanArray::from(vec![value])))
}

/// Where a condition is true.
pub(super) fn is_true(array: &dyn Array) -> BooleanBuffer {
    let array = array.as_boolean();
    match array.nulls() {
        None => array.values().clone(),
        Some(nulls) => array.values() & nulls.inner(),
    }
}

/// The values of some rows; those of others may be anything. What can fail is computed of these rows alone.
fn evaluate_where(node: &Node, wanted: &BooleanBuffer, rows: &Rows<'_>) -> Result<Operand> {
    let count = wanted.count_set_bits();
    if count == rows.len || !node.can_fail() {
        return node.evaluate(rows);
    }
    let mut read = Vec::new();
    node.columns(&mut read);
    let mask = BooleanArray::new(wanted.clone(), None);
    let columns = rows.columns.iter().enumerate().map(|(index, column)| {
        if read.contains(&index) {
            filter(column, &mask).map_err(failed)
        } else {
            Ok(Arc::clone(column))
        }
    });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
    let values = node.evaluate(&Rows {
        columns: &columns,
        len: count,
    })?;
    if values.is_scalar {
        return Ok(values);
    }
    let mut next = 0u32;
    let places = wanted.iter().map(|wanted| {
        let place = wanted.then_some(next);
        next += u32::from(wanted);
        place
    });
    let places: UInt32Array = places.collect();
    take(&values.array, &places, None)
        .map(Operand::rows)
        .map_err(failed)
}

/// One of several values.
pub(super) enum Choice {
    /// The second where the first is true, else the third.
    If(Box<[Node; 3]>),
    /// The first that is not null.
    Coalesce(Vec<Node>),
}

impl Choice {
    /// Binds `if`; `None` when the arms have no common type.
    pub(super) fn bind_if(condition: Node, yes: Node, no: Node) -> Result<Option<Node>> {
        let Some(arms) = unify(vec![yes, no])? else {
            return Ok(None);
        };
        let Ok([yes, no]) = <[Node; 2]>::try_from(arms) else {
            return Ok(None);
        };
        if let Some(scalar) = condition.scalar() {
            return Ok(Some(if truth(&scalar.array) == Some(true) {
                yes
            } else {
                no
            }));
        }
        Ok(Some(Node {
            data_type: yes.data_type.clone(),
            nullable: yes.nullable || no.nullable,
            kind: Kind::Choice(Self::If(Box::new([condition, yes, no]))),
        }))
    }

    /// Binds `coalesce`; `None` when there is no common type.
    pub(super) fn bind_coalesce(parts: Vec<Node>) -> Result<Option<Node>> {
        let Some(parts) = unify(parts)? else {
            return Ok(None);
        };
        let mut parts: Vec<Node> = parts.into_iter().filter(|part| !part.is_null_literal()).collect();
        // What comes after one that is never null is never asked for.
        if let Some(last) = parts.iter().position(|part| !part.nullable) {
            parts.truncate(last + 1);
        }
        if parts.len() < 2 {
            return Ok(Some(parts.pop().unwrap_or_else(|| Node::null(&DataType::Null))));
        }
        Ok(parts
            .first()
            .map(|first| first.data_type.clone())
            .map(|data_type| Node {
                data_type,
                nullable: parts.iter().all(|part| part.nullable),
                kind: Kind::Choice(Self::Coalesce(parts)),
            }))
    }

    pub(super) fn parts(&self) -> &[Node] {
        match self {
            Self::If(parts) => parts.as_slice(),
            Self::Coalesce(parts) => parts,
        }
    }

    pub(super) fn evaluate(&self, rows: &Rows<'_>) -> Result<Operand> {
        match self {
            Self::If(parts) => {
                let [condition, yes, no] = &**parts;
                let mask = is_true(&condition.evaluate(rows)?.into_rows(rows.len)?);
                match mask.count_set_bits() {
                    0 => no.evaluate(rows),
                    count if count == rows.len => yes.evaluate(rows),
                    _ => {
                        let other = !&mask;
                        let yes = evaluate_where(yes, &mask, rows)?;
                        select(mask, &yes, &evaluate_where(no, &other, rows)?)
                    }
                }
            }
            Self::Coalesce(parts) => coalesce(parts, rows),
        }
    }
}

fn select(mask: BooleanBuffer, yes: &Operand, no: &Operand) -> Result<Operand> {
    let array = match yes.array.data_type() {
        DataType::Float64 => select_native::<f64>(&mask, yes, no)?,
        DataType::Float32 => select_native::<f32>(&mask, yes, no)?,
        DataType::UInt64 => select_native::<u64>(&mask, yes, no)?,
        DataType::Int64 | DataType::Timestamp(..) | DataType::Duration(_) | DataType::Time64(_) => {
            select_native::<i64>(&mask, yes, no)?
        }
        _ => zip(&BooleanArray::new(mask, None), yes, no).map_err(failed)?,
    };
    Ok(Operand::rows(array))
}

/// As `zip` of Arrow does it, which copies run by run and is slow where rows alternate.
fn select_native<T: Native>(mask: &BooleanBuffer, yes: &Operand, no: &Operand) -> Result<ArrayRef> {
    let rows = mask.len();
    let (mut a, mut b) = (T::feed(yes, 1)?, T::feed(no, 1)?);
    let mut out = Vec::with_capacity(rows);
    let mut words = mask.bit_chunks().iter_padded();
    for (start, len) in chunks(rows) {
        let (a, b) = (a.chunk(start, len).0, b.chunk(start, len).0);
        for (a, b) in a.chunks(64).zip(b.chunks(64)) {
            let word = words.next().unwrap_or(0);
            let pairs = a.iter().zip(b).enumerate();
            out.extend(pairs.map(|(bit, (a, b))| if word >> bit & 1 == 1 { *a } else { *b }));
        }
    }
    let nulls = match (valid(&[yes], rows), valid(&[no], rows)) {
        (None, None) => None,
        (a, b) => {
            let there = |nulls: Option<NullBuffer>| {
                nulls.map_or_else(|| BooleanBuffer::new_set(rows), NullBuffer::into_inner)
            };
            Some(NullBuffer::new(&(mask & &there(a)) | &(&!mask & &there(b))))
        }
    };
    array(out, nulls, yes.array.data_type())
}

fn coalesce(parts: &[Node], rows: &Rows<'_>) -> Result<Operand> {
    let mut result: Option<Operand> = None;
    for part in parts {
        let Some(found) = &result else {
            result = Some(Operand::rows(part.evaluate(rows)?.into_rows(rows.len)?));
            continue;
        };
        let Some(nulls) = found.array.logical_nulls().filter(|nulls| nulls.null_count() > 0) else {
            break;
        };
        let other = evaluate_where(part, &!nulls.inner(), rows)?;
        result = Some(select(nulls.into_inner(), found, &other)?);
    }
    match result {
        Some(result) => Ok(result),
        None => Node::null(&DataType::Null).evaluate(rows),
    }
}

/// Binds `least` or `greatest`, which pass over nulls; `None` when there is no common type.
pub(super) fn bind_extreme(least: bool, parts: Vec<Node>) -> Result<Option<Node>> {
    let Some(parts) = unify(parts)? else {
        return Ok(None);
    };
    let comparison = if least { Comparison::Le } else { Comparison::Ge };
    let mut parts = parts.into_iter();
    let Some(mut result) = parts.next() else {
        return Ok(None);
    };
    for part in parts {
        let data_type = result.data_type.clone();
        if data_type == DataType::Null {
            continue;
        }
        let Some(wins) = super::compare::bind(
            comparison,
            Node::column(0, &data_type),
            Node::column(1, &data_type),
        )?
        else {
            return Ok(None);
        };
        let nullable = result.nullable && part.nullable;
        result = Node::call(data_type.clone(), vec![result, part], move |sides, rows| {
            extreme(&wins, sides, rows)
        })?;
        result.nullable = nullable;
    }
    Ok(Some(result))
}

fn extreme(wins: &Node, sides: &[Operand], rows: usize) -> Result<ArrayRef> {
    let columns: Vec<ArrayRef> = (sides.iter())
        .map(|side| side.clone().into_rows(rows))
        .collect::<Result<_>>()?;
    let (a, b) = super::node::both(sides)?;
    let wins = wins.evaluate(&Rows {
        columns: &columns,
        len: rows,
    })?;
    let mut mask = is_true(&wins.array);
    let nulls = |side: usize| columns.get(side).and_then(|column| column.logical_nulls());
    if let Some(there) = nulls(1) {
        mask = &mask | &!there.inner();
    }
    if let Some(there) = nulls(0) {
        mask = &mask & there.inner();
    }
    if a.is_scalar && b.is_scalar {
        return Ok(columns
            .into_iter()
            .nth(usize::from(!mask.value(0)))
            .unwrap_or_else(|| Arc::clone(&a.array)));
    }
    select(mask, a, b).map(|chosen| chosen.array)
}
