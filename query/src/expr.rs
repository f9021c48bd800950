//! stub
#![allow(missing_docs, reason = "a placeholder until the module is merged")]
use arrow_array::*;
use arrow_buffer::BooleanBuffer;
use arrow_schema::*;
use gapless_engine::scan::Predicate;
use gapless_engine::{Error, Result};
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Column(String),
}
impl From<&str> for Expr {
    fn from(s: &str) -> Self {
        Expr::Column(s.into())
    }
}
impl From<String> for Expr {
    fn from(s: String) -> Self {
        Expr::Column(s)
    }
}
impl From<Predicate> for Expr {
    fn from(_: Predicate) -> Self {
        Expr::Column("p".into())
    }
}
impl std::fmt::Display for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Expr::Column(c) = self;
        f.write_str(c)
    }
}
pub fn col(s: &str) -> Expr {
    Expr::Column(s.into())
}
pub fn lit(_s: i64) -> Expr {
    Expr::Column("".into())
}
impl Expr {
    pub fn name(&self) -> String {
        self.to_string()
    }
    pub fn as_column(&self) -> Option<&str> {
        let Expr::Column(c) = self;
        Some(c)
    }
    pub fn columns(&self) -> Vec<&str> {
        vec![self.as_column().unwrap()]
    }
    pub(crate) fn push_down(self, _s: &Schema) -> (Option<Predicate>, Option<Expr>) {
        (None, Some(self))
    }
}
pub(crate) struct Bound {
    i: usize,
    f: Field,
}
impl Bound {
    pub(crate) fn new(e: &Expr, s: &Schema) -> Result<Self> {
        let i = s
            .index_of(e.as_column().unwrap())
            .map_err(|x| Error::invalid(x.to_string()))?;
        Ok(Bound {
            i,
            f: s.field(i).clone(),
        })
    }
    pub(crate) fn data_type(&self) -> &DataType {
        self.f.data_type()
    }
    pub(crate) fn nullable(&self) -> bool {
        self.f.is_nullable()
    }
    pub(crate) fn evaluate(&self, b: &RecordBatch) -> Result<ArrayRef> {
        Ok(b.column(self.i).clone())
    }
    pub(crate) fn passing(&self, b: &RecordBatch) -> Result<BooleanBuffer> {
        Ok(BooleanBuffer::new_set(b.num_rows()))
    }
}
