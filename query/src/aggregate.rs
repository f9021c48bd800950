//! stub
#![allow(missing_docs, reason = "a placeholder until the module is merged")]
use crate::expr::Expr;
use arrow_array::*;
use arrow_schema::*;
use gapless_engine::Result;
use std::sync::Arc;
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    a: Vec<Expr>,
}
macro_rules! f{($($n:ident),*)=>{$(pub fn $n()->Aggregate{Aggregate{a:vec![]}})*}}
f!(
    corr, count, count_of, cov, first, last, max, mean, median, min, n_unique, ohlc, quantile, std, sum, var,
    vwap, wmean
);
impl Aggregate {
    pub fn name(&self) -> String {
        "count()".into()
    }
    pub fn arguments(&self) -> &[Expr] {
        &self.a
    }
    pub(crate) fn result_type(&self, _t: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }
    pub(crate) fn goes_by_order(&self) -> bool {
        false
    }
    pub(crate) fn nullable(&self) -> bool {
        false
    }
    pub(crate) fn accumulator(&self, _t: &[DataType]) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(C(vec![])))
    }
}
struct C(Vec<i64>);
impl Accumulator for C {
    fn grow(&mut self, g: usize) {
        self.0.resize(g, 0)
    }
    fn update(&mut self, _i: &[ArrayRef], s: &[Span], _q: &Sequence<'_>) -> Result<()> {
        for s in s {
            self.0[s.group as usize] += (s.end - s.start) as i64
        }
        Ok(())
    }
    fn merge(&mut self, o: Box<dyn Accumulator>, g: &[u32]) -> Result<()> {
        let o = (o as Box<dyn std::any::Any>).downcast::<C>().unwrap();
        for (i, g) in g.iter().enumerate() {
            self.0[*g as usize] += o.0[i]
        }
        Ok(())
    }
    fn emit(&mut self, c: usize) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from(self.0.drain(..c).collect::<Vec<_>>())))
    }
    fn bytes(&self) -> usize {
        0
    }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub group: u32,
    pub start: u32,
    pub end: u32,
}
pub(crate) enum Sequence<'a> {
    InOrder,
    Placed { times: &'a [i64], ranks: &'a [u32] },
}
pub(crate) trait Accumulator: Send + std::any::Any {
    fn grow(&mut self, g: usize);
    fn update(&mut self, i: &[ArrayRef], s: &[Span], q: &Sequence<'_>) -> Result<()>;
    fn merge(&mut self, o: Box<dyn Accumulator>, g: &[u32]) -> Result<()>;
    fn emit(&mut self, c: usize) -> Result<ArrayRef>;
    fn bytes(&self) -> usize;
}
