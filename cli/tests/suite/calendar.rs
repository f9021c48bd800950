//! `calendar`: what is not expected is no gap.

use serde_json::json;

use crate::gaps::{bars, gaps_of};
use crate::support::Place;

const DESK: &str = "\
# Two minutes of every day.
zone = \"UTC\"
[[session]]
days = \"mon-sun\"
open = \"00:00\"
close = \"00:02\"
";

fn with_desk() -> Place {
    let place = bars();
    place.file("desk.toml", DESK);
    place.ok("calendar db import desk desk.toml");
    place
}

#[test]
fn a_calendar_goes_in_and_comes_out_as_it_was_written() {
    let place = with_desk();
    assert_eq!(place.ok("calendar db export desk"), DESK);
    place.ok("calendar db export desk out.toml");
    assert_eq!(std::fs::read_to_string(place.path("out.toml")).unwrap(), DESK);
    place.fails(4, "calendar db export desk out.toml");
    let listed = place.json("calendar db");
    assert_eq!(listed["calendars"][0]["calendar"], "desk");
    assert_eq!(listed["calendars"][0]["zone"], "UTC");
    assert_eq!(listed["calendars"][0]["used_by"], json!([]));
    assert!(place.ok("calendar db list").contains("desk"));
    place.ok("calendar db drop desk");
    assert!(place.ok("calendar db").contains("always open"));
}

#[test]
fn who_goes_by_a_calendar_misses_nothing_outside_of_it() {
    let place = with_desk();
    place.ok("calendar db use desk bars");
    let gaps = gaps_of(&place.json("gaps db bars"));
    assert_eq!(gaps.len(), 1, "A is whole in its two minutes: {gaps:?}");
    assert_eq!(
        (gaps[0].0.as_str(), gaps[0].1.as_str()),
        ("B", "2026-11-20T00:01:00Z")
    );
    let used = &place.json("calendar db")["calendars"][0]["used_by"];
    assert_eq!(used, &json!([{"table": "bars", "series": null}]));
    let error = place.fails(4, "calendar db drop desk");
    assert!(error.contains("bars"), "{error}");
    assert!(place.ok("coverage db bars").contains("not expected"));
    place.ok("calendar db unuse bars");
    place.ok("calendar db use desk bars --series B");
    assert_eq!(gaps_of(&place.json("gaps db bars")).len(), 2);
    let used = &place.json("calendar db")["calendars"][0]["used_by"];
    assert_eq!(used, &json!([{"table": "bars", "series": "B"}]));
    assert!(place.ok("calendar db").contains("bars/B"));
    place.ok("calendar db unuse bars --series B");
    place.ok("calendar db drop desk");
}

#[test]
fn the_open_ranges_of_a_calendar_are_shown() {
    let place = with_desk();
    let shown = place.json("calendar db show desk --start 2026-11-20 --end 2026-11-22");
    assert_eq!(
        shown["open"],
        json!([{"start": "2026-11-20T00:00:00.000000000Z", "end": "2026-11-20T00:02:00.000000000Z", "length_ns": 120_000_000_000_u64},
               {"start": "2026-11-21T00:00:00.000000000Z", "end": "2026-11-21T00:02:00.000000000Z", "length_ns": 120_000_000_000_u64}])
    );
    let csv = place.ok("calendar db show desk --start 2026-11-20 --end 2026-11-22 --format csv");
    assert_eq!(csv.lines().count(), 3);
    let text = place.ok("calendar db show desk --start 2026-11-20 --end 2026-11-22");
    assert!(text.contains("open for 4m in all"), "{text}");
    let closed = place.ok("calendar db show desk --start 2026-11-20T01:00:00Z --end 2026-11-20T02:00:00Z");
    assert!(closed.contains("closed all the time"));
}

#[test]
fn a_series_misses_nothing_outside_of_its_life() {
    let place = bars();
    let said = place.ok("calendar db listing bars B --start 2026-11-20T00:02:00Z");
    assert!(said.contains("from 2026-11-20T00:02:00Z on"), "{said}");
    let gaps = gaps_of(&place.json("gaps db bars --series B"));
    assert_eq!(gaps.len(), 1);
    assert_eq!(
        (gaps[0].1.as_str(), gaps[0].2.as_str()),
        ("2026-11-20T00:02:00Z", "2026-11-20T00:03:00Z")
    );
    assert_eq!(
        place.json("calendar db listing bars B"),
        json!({"table": "bars", "series": "B", "start": "2026-11-20T00:02:00.000000000Z", "end": null})
    );
    place.ok("calendar db listing bars B --clear");
    assert!(
        place
            .ok("calendar db listing bars B")
            .contains("always been there")
    );
    assert_eq!(
        gaps_of(&place.json("gaps db bars --series B"))[0].1,
        "2026-11-20T00:01:00Z"
    );
}

#[test]
fn what_is_no_calendar_is_refused_with_its_line() {
    let place = bars();
    place.file(
        "bad.toml",
        "zone = \"UTC\"\n[[session]]\ndays = \"someday\"\nopen = \"09:00\"\nclose = \"10:00\"\n",
    );
    let error = place.fails(2, "calendar db import bad bad.toml");
    assert!(error.contains("bad.toml") && error.contains("someday"), "{error}");
    for (line, word) in [
        ("calendar db import bad nothing.toml", "nothing.toml"),
        ("calendar db export bad", "no calendar"),
        ("calendar db drop bad", "no calendar"),
        ("calendar db use bad bars", "no calendar"),
        (
            "calendar db show bad --start 2026-01-01 --end 2026-01-02",
            "no calendar",
        ),
        (
            "calendar db show bad --start 2026-01-02 --end 2026-01-01",
            "--start",
        ),
        (
            "calendar db listing bars A --start 2026-01-02 --end 2026-01-01",
            "after the start",
        ),
        ("calendar db listing bars A --start 2026-01-02 --clear", "--clear"),
        ("calendar db unuse nothing", "nothing"),
    ] {
        let error = place.fails(2, line);
        assert!(error.contains(word), "{line}: {error}");
    }
}
