//! Every block of SQL in `docs/sql.md` runs.

use std::path::Path;

use crate::fixture::Market;

#[test]
fn every_statement_of_the_page_on_sql_runs() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sql.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let market = Market::new();
    let session = market.session();
    let directory = market.directory.path().display().to_string();
    let mut statements = 0;
    for block in page.split("```sql\n").skip(1) {
        let block = block.split("```").next().expect("the end of a block");
        for text in block.split(';').map(str::trim).filter(|text| !text.is_empty()) {
            let text = text.replace("TO '", &format!("TO '{directory}/"));
            let rows = session
                .sql(&text)
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            rows.collect_batches()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            statements += 1;
        }
    }
    assert!(statements > 10, "{statements}");
}
