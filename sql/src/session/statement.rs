//! Text to a statement, and which statements there are.
//!
//! What is not there is refused before it is planned, with what to use instead: DataFusion would create tables in memory that are
//! gone with the statement.

use std::ops::ControlFlow;
use std::path::Path;

use datafusion::sql::parser::{CopyToSource, CopyToStatement, DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{self, Value, Visit, VisitMut, Visitor, VisitorMut};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use gapless_engine::{Error, ErrorKind, Result};

use super::inside::database_around;
use super::{clause, depth, insert, precedence};
use crate::catalog::SYSTEM;
use crate::error::from_datafusion;
use crate::exact::keep_digits;

/// How deep expressions and queries may be nested.
const DEPTH_MAX: usize = 128;
/// The option of `COPY` that allows it to write over a file.
const OVERWRITE: &str = "overwrite";

/// The only statement of a text.
pub(super) fn parse(text: &str) -> Result<Statement> {
    depth::check(text)?;
    let parse = || {
        DFParserBuilder::new(text)
            .with_dialect(&GenericDialect {})
            .with_recursion_limit(DEPTH_MAX)
            .build()?
            .parse_statements()
    };
    let mut statements = parse().map_err(from_datafusion)?;
    match (statements.pop_front(), statements.len()) {
        (Some(mut statement), 0) => {
            precedence::mend(&mut statement);
            insert::prepare(&mut statement);
            keep_digits(&mut statement)?;
            Ok(statement)
        }
        (None, _) => Err(Error::invalid("there is no statement in the text")),
        (Some(_), more) => Err(Error::invalid(format!(
            "{} statements in one text: give them one after the other",
            more + 1
        ))),
    }
}

/// Visits what is SQL of a statement, also of one that is explained or copied.
pub(crate) fn visit_all<V: VisitorMut>(statement: &mut Statement, visitor: &mut V) {
    let _: ControlFlow<V::Break> = match statement {
        Statement::Statement(statement) => statement.visit(visitor),
        Statement::Explain(explain) => {
            visit_all(&mut explain.statement, visitor);
            ControlFlow::Continue(())
        }
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.visit(visitor),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => ControlFlow::Continue(()),
    };
}

/// Refuses what is not there, and what this session may not do. `COPY` loses the option that only this looks at.
pub(super) fn check(statement: &mut Statement, files: bool, is_pinned: bool) -> Result<()> {
    match statement {
        Statement::Explain(explain) => check(&mut explain.statement, files, is_pinned),
        Statement::CopyTo(copy) => {
            if let CopyToSource::Query(query) = &copy.source {
                clause::check(query.as_ref())?;
            }
            check_copy(copy, files)
        }
        Statement::CreateExternalTable(_) => Err(unsupported(
            "CREATE EXTERNAL TABLE",
            "import the files: `gapless import DB TABLE FILES`",
        )),
        Statement::Reset(_) => Err(unsupported("RESET", SETTINGS)),
        Statement::Statement(statement) => {
            check_sql(statement, is_pinned)?;
            clause::check(statement.as_ref())
        }
    }
}

const SETTINGS: &str =
    "settings are options of the command (`--threads`, `--memory`), and of the session in the APIs";
const COMMITS: &str = "each statement is one commit; several tables at once are written with Database::transaction of the Rust API";

fn check_sql(statement: &ast::Statement, is_pinned: bool) -> Result<()> {
    use ast::Statement as S;
    let (what, instead) = match statement {
        S::Query(_)
        | S::ExplainTable { .. }
        | S::ShowTables { .. }
        | S::ShowColumns { .. }
        | S::ShowFunctions { .. } => return Ok(()),
        S::Explain { statement, .. } => return check_sql(statement, is_pinned),
        S::Insert(_) if is_pinned => {
            return Err(Error::invalid(
                "INSERT: the session reads a snapshot, so nothing can be written",
            ));
        }
        S::Insert(insert) => return check_insert(insert),
        S::CreateTable(_) => (
            "CREATE TABLE",
            "`gapless import` creates it from a file, and Database::create_table in the Rust API",
        ),
        S::CreateView(_) => ("CREATE VIEW", "use WITH name AS (SELECT ...)"),
        S::Drop { .. } => (
            "DROP",
            "tables are dropped with Database::drop_table of the Rust API",
        ),
        S::Delete(_) => (
            "DELETE",
            "a range of time, of some series or of all, is deleted with Table::delete of the Rust API",
        ),
        S::Truncate(_) => (
            "TRUNCATE",
            "a range of time is deleted with Table::delete of the Rust API",
        ),
        S::Update(_) => (
            "UPDATE",
            "the rows of a range are written anew with Table::replace of the Rust API",
        ),
        S::Merge(_) => (
            "MERGE",
            "give the table a key and `keep = last`, and insert: the row that was committed last counts",
        ),
        S::AlterTable(_) => (
            "ALTER TABLE",
            "columns are changed with Table::add_column, rename_column, widen_column and drop_column of the Rust API",
        ),
        S::Set(_) | S::ShowVariable { .. } => ("SET", SETTINGS),
        S::StartTransaction { .. } | S::Commit { .. } | S::Rollback { .. } => ("a transaction", COMMITS),
        S::Copy { .. } => ("COPY FROM", "import files with `gapless import`"),
        other => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            return Err(Error::unsupported(format!(
                "{} is not there in SQL",
                words.join(" ")
            )));
        }
    };
    Err(unsupported(what, instead))
}

/// Finds `VALUES` in queries within a query: DataFusion gives all of an `INSERT` the types of the table's columns.
struct NestedValues {
    depth: usize,
}

impl Visitor for NestedValues {
    type Break = ();

    fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
        self.depth += 1;
        match self.depth > 1 && has_values(&query.body) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn post_visit_query(&mut self, _: &ast::Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

fn has_values(body: &ast::SetExpr) -> bool {
    match body {
        ast::SetExpr::Values(_) => true,
        ast::SetExpr::SetOperation { left, right, .. } => has_values(left) || has_values(right),
        _ => false,
    }
}

/// Refuses rows for the system tables, and what would be read by the types of the table although it is not inserted.
fn check_insert(insert: &ast::Insert) -> Result<()> {
    let target = insert.table.to_string();
    if let Some(source) = &insert.source
        && source.visit(&mut NestedValues { depth: 0 }).is_break()
    {
        return Err(Error::unsupported(format!(
            "INSERT INTO {target}: VALUES inside of a query are not there in an INSERT, because they would be read by the types of \
             {target}; write (SELECT ... AS a UNION ALL SELECT ...) instead"
        )));
    }
    match target.split('.').rev().nth(1) {
        Some(schema) if schema.trim_matches('"').eq_ignore_ascii_case(SYSTEM) => Err(Error::invalid(
            format!("INSERT INTO {target}: what the database knows of itself cannot be written"),
        )),
        _ => Ok(()),
    }
}

fn unsupported(what: &str, instead: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{what} is not there in SQL: {instead}"),
    )
}

/// Refuses to write over a file unless that is asked for.
fn check_copy(copy: &mut CopyToStatement, files: bool) -> Result<()> {
    if !files {
        return Err(Error::invalid("COPY: this session may not write files"));
    }
    let mut overwrite = false;
    copy.options.retain(|(name, value)| {
        let is_ours = name.eq_ignore_ascii_case(OVERWRITE) || name.eq_ignore_ascii_case("format.overwrite");
        overwrite |= is_ours && is_true(value);
        !is_ours
    });
    let target = copy.target.strip_prefix("file://").unwrap_or(&copy.target);
    if target.contains("://") {
        return Err(Error::unsupported(format!(
            "COPY TO {:?}: give a path of this machine",
            copy.target
        )));
    }
    if let Some(database) = database_around(Path::new(target)) {
        return Err(Error::invalid(format!(
            "COPY: {target:?} lies inside the database {}: write to another directory",
            database.display()
        )));
    }
    if !overwrite && Path::new(target).exists() {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("COPY: {target:?} is there already; OPTIONS ({OVERWRITE} true) writes over it"),
        ));
    }
    Ok(())
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Boolean(flag) => *flag,
        Value::SingleQuotedString(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}
