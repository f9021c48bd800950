//! `leases`: who is at what, and how claims that are stuck are ended.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::gaps::bars;
use crate::support::Place;

/// A fill that waits until the file `go` is there.
fn waiting(place: &Place, ttl: &str) -> Child {
    let command = "touch begun; while [ ! -e go ]; do sleep 0.02; done";
    let child = place
        .command(&[
            "fill",
            "db",
            "bars",
            "--series",
            "A",
            "--json",
            "--lease-ttl",
            ttl,
            "--exec",
            command,
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !place.has("begun") {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the command was not run"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn leases(place: &Place) -> Vec<Value> {
    place.json("leases db")["leases"].as_array().unwrap().clone()
}

#[test]
fn a_fill_has_a_lease_that_is_listed_and_ends_with_it() {
    let place = bars();
    assert!(place.ok("leases db").contains("no leases"));
    let fill = waiting(&place, "120s");
    let listed = leases(&place);
    assert_eq!(listed.len(), 1);
    let lease = &listed[0];
    assert_eq!(lease["key"], "A:60:1795132920:1795133040::");
    assert_eq!(
        (
            &lease["table"],
            &lease["series"],
            &lease["is_live"],
            &lease["completion"]
        ),
        (&"bars".into(), &"A".into(), &true.into(), &0.0.into())
    );
    let table = place.ok("leases db list");
    assert!(table.contains("expires in") && table.contains("0%"), "{table}");
    assert!(place.ok("leases db recover").contains("0 leases ended"));
    place.file("go", "");
    assert!(fill.wait_with_output().unwrap().status.success());
    assert!(leases(&place).is_empty());
}

#[test]
fn a_live_lease_is_released_with_yes_only_and_its_holder_commits_nothing_more() {
    let place = bars();
    let fill = waiting(&place, "120s");
    let epoch = leases(&place)[0]["epoch"].as_u64().unwrap();
    let error = place.fails(2, &format!("leases db release {epoch}"));
    assert!(error.contains("--yes") && error.contains("live"), "{error}");
    assert!(place.fails(2, "leases db release --all").contains("--yes"));
    assert_eq!(leases(&place).len(), 1);
    let released = place.json(&format!("leases db release {epoch} --yes"));
    assert_eq!(released["released"][0]["epoch"], epoch);
    place.file("go", "");
    let output = fill.wait_with_output().unwrap();
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &done["leased"]),
        (Some(1), &1.into()),
        "{done:#}"
    );
    assert_eq!(
        place.json("gaps db bars --series A")["gaps"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn the_lease_of_a_fill_that_was_killed_expires_and_is_recovered() {
    let place = bars();
    let mut fill = waiting(&place, "300ms");
    fill.kill().unwrap();
    fill.wait().unwrap();
    place.file("go", ""); // Its command lives on by itself.
    assert_eq!(leases(&place).len(), 1);
    let began = Instant::now();
    while leases(&place)[0]["is_live"] == true {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the lease does not expire"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        place.ok("leases db").contains("expired"),
        "{}",
        place.ok("leases db")
    );
    let recovered = place.json("leases db recover");
    assert_eq!(recovered["recovered"][0]["series"], "A");
    assert!(leases(&place).is_empty());
    assert_eq!(
        place.json("leases db release --all")["released"],
        Value::Array(Vec::new())
    );
}

#[test]
fn a_lease_that_is_not_there_cannot_be_released() {
    let place = bars();
    assert!(place.fails(2, "leases db release 7").contains("epoch 7"));
    assert!(place.fails(2, "leases db release").contains("EPOCH"));
    assert!(place.fails(2, "leases db release 7 --all").contains("--all"));
    place.fails(2, "leases nowhere");
}

#[test]
fn a_fill_that_waits_for_the_lease_of_a_killed_one_says_so() {
    let place = bars();
    let mut fill = waiting(&place, "4s");
    fill.kill().unwrap();
    fill.wait().unwrap();
    place.file("go", "");
    let epoch = leases(&place)[0]["epoch"].as_u64().unwrap();
    let said = place.run_words(&["fill", "db", "bars", "--series", "A", "--exec", "true"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.err.lines().count(), 1, "{said:?}");
    let way_out = format!("gapless leases db release {epoch} --yes");
    for part in ["gap \"A\" from", "waits", "until", &way_out] {
        assert!(said.err.contains(part), "{said:?}");
    }
}
