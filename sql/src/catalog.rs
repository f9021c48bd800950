//! The database as DataFusion's catalog, as one snapshot has it.
//!
//! The schema `public` has the tables of the database, the schema `gapless` the system tables. A statement gets a catalog of its
//! own, so that all of its tables are of one version.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::logical_expr::TableType;
use gapless_engine::{Database, Error, Result as EngineResult, Snapshot};

use crate::error::to_datafusion;
use crate::system::{NAMES, SystemTable};
use crate::table::GaplessTable;

/// The name of the only catalog.
pub(crate) const CATALOG: &str = "database";
/// The schema of the database's tables: names without one are looked up here.
pub(crate) const TABLES: &str = "public";
/// The schema of the system tables.
pub(crate) const SYSTEM: &str = "gapless";

/// What a statement can read.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    database: Database,
    snapshot: Snapshot,
    /// Names of functions that give tables: DataFusion looks for a table of that name first.
    functions: Arc<HashSet<String>>,
}

impl Catalog {
    pub(crate) fn new(database: &Database, snapshot: &Snapshot, functions: HashSet<String>) -> Self {
        Self {
            database: database.clone(),
            snapshot: snapshot.clone(),
            functions: Arc::new(functions),
        }
    }
}

impl CatalogProviderList for Catalog {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::new(self.clone()) as Arc<dyn CatalogProvider>)
    }
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        vec![TABLES.to_owned(), SYSTEM.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            TABLES => Some(Arc::new(Tables(self.clone()))),
            SYSTEM => Some(Arc::new(SystemTables(self.clone()))),
            _ => None,
        }
    }
}

/// The tables of the database.
#[derive(Debug)]
struct Tables(Catalog);

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        self.0
            .snapshot
            .version()
            .table_names()
            .map(str::to_owned)
            .collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if self.0.functions.contains(name) && !self.table_exist(name) {
            return Ok(None);
        }
        let table = GaplessTable::new(&self.0.database, &self.0.snapshot, name).map_err(to_datafusion)?;
        Ok(Some(Arc::new(table)))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table_exist(name).then_some(TableType::Base))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.snapshot.table(name).is_ok()
    }
}

/// The system tables.
#[derive(Debug)]
struct SystemTables(Catalog);

impl SystemTables {
    fn find(&self, name: &str) -> EngineResult<SystemTable> {
        SystemTable::named(&self.0.database, &self.0.snapshot, name)?.ok_or_else(|| {
            Error::not_found(format!(
                "there is no system table {SYSTEM}.{name}; there are {}",
                NAMES.join(", ")
            ))
        })
    }
}

#[async_trait]
impl SchemaProvider for SystemTables {
    fn table_names(&self) -> Vec<String> {
        NAMES.map(str::to_owned).to_vec()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let table = self.find(name).map_err(to_datafusion)?;
        Ok(Some(Arc::new(table)))
    }

    fn table_exist(&self, name: &str) -> bool {
        NAMES.contains(&name)
    }
}

/// Refuses a name in a catalog or a schema that is not there: DataFusion would say no more than that the table is not found.
pub(crate) fn check_reference(reference: &TableReference) -> EngineResult<()> {
    if let Some(catalog) = reference.catalog().filter(|catalog| *catalog != CATALOG) {
        return Err(Error::not_found(format!(
            "there is no catalog {catalog:?}: a session has one, {CATALOG:?}, and it need not be named"
        )));
    }
    match reference.schema() {
        None | Some(TABLES | SYSTEM | "information_schema") => Ok(()),
        Some(schema) => Err(Error::not_found(format!(
            "there is no schema {schema:?}; there are {TABLES:?} with the tables of the database, {SYSTEM:?} and \
             \"information_schema\""
        ))),
    }
}
