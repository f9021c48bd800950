//! `check --repair`: what is said, what is done, and with which exit code.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Place;

fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path.file_name().is_some_and(|found| found == name) {
            return Some(path);
        }
    }
    None
}

fn damaged() -> (Place, Vec<u8>) {
    let place = Place::with_trades();
    gapless::Database::builder(place.path("db"))
        .open()
        .unwrap()
        .flush()
        .unwrap();
    let path = find(&place.path("db/tables/trade"), "price.col").unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[64] ^= 1;
    fs::write(&path, &bytes).unwrap();
    (place, bytes)
}

#[test]
fn a_damaged_page_is_mapped_repaired_and_kept() {
    let (place, bytes) = damaged();
    let said = place.run("check db --json");
    assert_eq!(said.code, 1);
    let checked: Value = serde_json::from_str(&said.out).unwrap();
    let damage = checked["damage"].as_array().unwrap();
    assert!(!damage.is_empty(), "{checked}");
    assert!(
        damage
            .iter()
            .all(|lost| lost["table"] == "trade" && lost["series"].is_string())
    );
    let said = place.run("check db").out;
    assert!(said.contains("damaged: trade "), "{said}");
    assert!(
        said.ends_with("makes a gap of what is lost\n") && said.contains("gapless check db --repair"),
        "{said}"
    );

    let said = place.run("check db --repair --dry-run --json");
    assert_eq!(said.code, 1, "damage is left");
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&plan["dry_run"], &plan["lost"]),
        (&true.into(), &checked["damage"])
    );
    let said = place.run("check db --repair --dry-run");
    assert!(said.out.contains("nothing was changed"), "{}", said.out);
    assert_eq!(place.run("check db").code, 1, "nothing was changed");

    let repaired = place.json("check db --repair");
    assert_eq!(repaired["whole"], true);
    assert_eq!(repaired["lost"], checked["damage"]);
    place.ok("check db");
    let kept = find(&place.path("db/quarantine"), "price.col").unwrap();
    assert_eq!(fs::read(kept).unwrap(), bytes);
    let said = place.ok("check db --repair");
    assert!(said.contains("nothing to repair"), "{said}");
}

#[test]
fn a_repair_says_what_it_did_in_words() {
    let (place, _) = damaged();
    let said = place.ok("check db --repair");
    assert!(said.contains("damaged files: quarantine/trade/"), "{said}");
    assert!(said.contains("lost: trade "), "{said}");
    assert!(said.contains("repaired"), "{said}");
}

#[test]
fn a_dry_run_of_nothing_is_refused() {
    let place = Place::with_trades();
    assert_eq!(place.run("check db --dry-run").code, 2);
}

#[test]
fn damage_that_only_a_copy_heals_is_an_exit_code() {
    let (place, _) = damaged();
    let path = fs::read_dir(place.path("db/symbols"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "sym"))
        .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let said = place.run("check db --repair");
    assert_eq!(said.code, 1);
    assert!(said.out.contains("not repaired: error: "), "{}", said.out);
}
