//! `coverage`: pictures, rows, and what is read off rows when that is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::gaps::bars;
use crate::support::Place;

#[test]
fn a_line_of_each_series_shows_what_is_there_and_what_is_not() {
    let place = bars();
    let text = place.ok("coverage db bars --width 100");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "bars from 2026-11-20T00:00:00Z to 2026-11-20T00:05:00Z");
    // 100 less the name, a space and the share is 91: two fifths of it are missing.
    let bar = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    let (a, b) = (bar(lines[2]), bar(lines[3]));
    for (bar, from, to) in [(&a, 2, 4), (&b, 1, 3)] {
        assert_eq!(bar.chars().count(), 91);
        for (at, shown) in bar.chars().enumerate() {
            let minute = at * 5 / 91;
            let is_edge = (at + 1) * 5 / 91 != minute || at * 5 % 91 < 5;
            let expected = if (from..to).contains(&minute) { '_' } else { '█' };
            assert!(shown == expected || is_edge, "cell {at} of {bar}");
        }
    }
    assert!(
        lines[2].ends_with(" 60.0%") && lines[3].ends_with(" 60.0%"),
        "{text}"
    );
    assert!(text.contains("█ complete") && text.contains("_ gap"), "{text}");
    assert!(
        text.contains("complete by day, 2026-11-20 to 2026-11-20 (UTC)\nA ▒\nB ▒\n"),
        "{text}"
    );
    // Not a terminal: no colours.
    assert!(!text.contains('\x1b'));
}

#[test]
fn more_series_than_lines_are_said_to_be_left_out() {
    let place = bars();
    let text = place.ok("coverage db bars --limit 1");
    assert!(text.contains("1 more line left out"), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("B ")), "{text}");
    let text = place.ok("coverage db bars --limit 1 --series B");
    assert!(!text.contains("left out"), "{text}");
}

#[test]
fn the_ranges_are_rows_in_every_form() {
    let place = bars();
    let document = place.json("coverage db bars --series A");
    assert_eq!(
        (&document["table"], &document["start"], &document["end"]),
        (
            &json!("bars"),
            &json!("2026-11-20T00:00:00.000000000Z"),
            &json!("2026-11-20T00:05:00.000000000Z")
        )
    );
    let first = &document["ranges"][0];
    assert_eq!(
        [
            &first["series"],
            &first["interval"],
            &first["start"],
            &first["end"],
            &first["state"],
            &first["source"]
        ],
        [
            &json!("A"),
            &json!("1m"),
            &json!("2026-11-20T00:00:00.000000000Z"),
            &json!("2026-11-20T00:02:00.000000000Z"),
            &json!("complete"),
            &json!("inferred")
        ]
    );
    assert_eq!(document["ranges"].as_array().unwrap().len(), 2);
    let csv = place.ok("coverage db bars --format csv");
    assert_eq!(
        csv.lines().next(),
        Some("series,interval,start,end,state,source,batch,rows,fetched_at,commit")
    );
    assert_eq!(csv.lines().count(), 5);
    assert!(place.ok("coverage db bars --format table").contains("inferred"));
    let cut =
        place.json("coverage db bars --series A --start 2026-11-20T00:01:00Z --end 2026-11-20T00:02:00Z");
    assert_eq!(cut["ranges"][0]["start"], "2026-11-20T00:01:00.000000000Z");
}

#[test]
fn the_picture_is_well_formed_whatever_series_are_called() {
    let place = Place::new();
    place.file(
        "odd.csv",
        "ts,sym,v\n2026-11-20T00:00:00Z,\"<a&b>\"\"'\",1\n2026-11-20T00:02:00Z,\"<a&b>\"\"'\",1\n2026-11-20T00:00:00Z,]]>,1\n",
    );
    place.ok("import db odd odd.csv --series sym");
    place.ok("coverage db odd --infer 1m");
    assert!(
        place
            .ok("coverage db odd --svg odd.svg --width 800")
            .contains("wrote odd.svg")
    );
    let text = std::fs::read_to_string(place.path("odd.svg")).unwrap();
    assert!(
        text.starts_with("<?xml") && text.trim_end().ends_with("</svg>"),
        "{text}"
    );
    assert!(
        text.contains("&lt;a&amp;b&gt;&quot;&apos;: complete from 2026-11-20T00:00:00Z"),
        "{text}"
    );
    assert!(
        text.contains("gap from 2026-11-20T00:01:00Z to 2026-11-20T00:02:00Z"),
        "{text}"
    );
    well_formed(&text);
    let document = place.json("coverage db odd --svg again.svg");
    assert_eq!(document["svg"], "again.svg");
    assert_eq!(
        std::fs::read_to_string(place.path("again.svg"))
            .unwrap()
            .matches("<svg")
            .count(),
        1
    );
}

/// Every element is closed, and every `&` begins a known entity.
fn well_formed(text: &str) {
    let mut open = Vec::new();
    for part in text.split('<').skip(1) {
        let (tag, rest) = part.split_once('>').expect("a tag ends");
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_ref(), Some(&name));
        } else if !tag.ends_with('/') && !tag.starts_with('?') {
            open.push(name);
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert!(!rest.contains('>'), "{rest}");
        for entity in rest.split('&').skip(1) {
            assert!(
                ["lt;", "gt;", "amp;", "quot;", "apos;"]
                    .iter()
                    .any(|known| entity.starts_with(known)),
                "{rest}"
            );
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn what_rows_show_is_attested_once_and_only_where_nothing_is_known() {
    let place = Place::new();
    place.file("bars.csv", crate::gaps::BARS);
    place.ok("import db bars bars.csv --series sym");
    assert_eq!(place.json("coverage db bars")["ranges"], json!([]));
    let inferred = place.json("coverage db bars --infer 1m --series A");
    assert_eq!(
        inferred,
        json!({"table": "bars", "interval": "1m", "series": 1, "ranges": 2, "rows": 3, "rows_off_grid": 0})
    );
    assert_eq!(
        place.json("coverage db bars")["ranges"].as_array().unwrap().len(),
        2
    );
    let text = place.ok("coverage db bars --infer 1m");
    assert!(text.contains("inferred"), "{text}");
    assert_eq!(
        place.json("coverage db bars")["ranges"].as_array().unwrap().len(),
        4
    );
}

#[test]
fn a_wrong_interval_attests_nothing_unless_it_is_meant() {
    let place = Place::new();
    place.file("bars.csv", crate::gaps::BARS);
    place.ok("import db bars bars.csv --series sym");
    let error = place.fails(2, "coverage db bars --infer 1h");
    for part in [
        "4 of 6 rows",
        "grid of 1h",
        "\"A\" at 2026-11-20T00:01:00Z",
        "--off-grid",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(place.json("coverage db bars")["ranges"], json!([]));
    assert_eq!(
        place.json("gaps db bars --interval 1h")["gaps"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // Of a range, whose rows are on the grid.
    place.ok("coverage db bars --infer 1h --end 2026-11-20T00:01:00Z --series B");
    assert_eq!(
        place.json("coverage db bars")["ranges"].as_array().unwrap().len(),
        1
    );
    let said = place.json("coverage db bars --infer 1h --off-grid");
    assert_eq!((&said["rows_off_grid"], &said["ranges"]), (&json!(4), &json!(2)));
    assert!(place.ok("gaps db bars").starts_with("no gaps"));
}

#[test]
fn what_was_attested_by_mistake_is_taken_back() {
    let place = bars();
    place.ok("coverage db bars --infer 7m --off-grid");
    assert!(place.fails(2, "gaps db bars").contains("say which is meant"));
    let error = place.fails(2, "coverage db bars --forget --interval 7m");
    assert!(error.contains("--yes") && error.contains("2 ranges"), "{error}");
    place.fails(2, "gaps db bars");
    let said = place.ok("coverage db bars --forget --interval 7m --yes");
    assert!(
        said.contains("forgot what was said of every series of bars at 7m"),
        "{said}"
    );
    // It is the only interval again.
    assert_eq!(place.json("gaps db bars")["interval"], "1m");
    assert_eq!(place.json("gaps db bars")["gaps"].as_array().unwrap().len(), 2);
    let said = place.json(
        "coverage db bars --forget --series A --start 2026-11-20T00:00:00Z --end 2026-11-20T00:01:00Z --yes",
    );
    assert_eq!(
        said,
        json!({"table": "bars", "series": ["A"], "interval": null, "start": "2026-11-20T00:00:00.000000000Z",
               "end": "2026-11-20T00:01:00.000000000Z", "ranges": 1})
    );
    let gaps = place.json("gaps db bars --series A");
    assert_eq!(gaps["gaps"][0]["start"], "2026-11-20T00:00:00.000000000Z");
    place.ok("coverage db bars --infer 1m");
    assert_eq!(place.json("gaps db bars")["gaps"].as_array().unwrap().len(), 2);
    place.ok("coverage db bars --forget --yes");
    assert_eq!(place.json("coverage db bars")["ranges"], json!([]));
    assert_eq!(place.rows("db", "bars"), 6);
}

#[test]
fn a_short_gap_is_seen_in_the_picture() {
    let place = Place::new();
    let mut rows = String::from("ts,sym,v\n");
    for minute in (0..20_000).filter(|minute| ![0, 7_000, 19_998].contains(minute)) {
        rows.push_str(&format!("{},A,1\n", 1_795_132_800 + minute * 60));
    }
    place.file("long.csv", rows);
    place.ok("import db long long.csv --series sym --time-unit s");
    place.ok("coverage db long --infer 1m");
    place.ok("coverage db long --svg long.svg --start 2026-11-20T00:00:00Z");
    let text = std::fs::read_to_string(place.path("long.svg")).unwrap();
    let timeline: Vec<&str> = text.lines().filter(|line| line.contains("<title>A")).collect();
    let attribute = |line: &str, name: &str| -> f64 {
        let from = line.split(&format!(" {name}=\"")).nth(1).expect("an attribute");
        from.split('"').next().unwrap().parse().expect("a number")
    };
    let gaps: Vec<&&str> = timeline
        .iter()
        .filter(|line| line.contains("A: gap from"))
        .collect();
    assert_eq!(gaps.len(), 3, "{timeline:?}");
    let background = timeline[0];
    let end = attribute(background, "x") + attribute(background, "width");
    for gap in &gaps {
        assert!(attribute(gap, "width") >= 1.5, "{gap}");
        assert!(
            attribute(gap, "x") + attribute(gap, "width") <= end + 0.02,
            "{gap}"
        );
    }
    let last_known = timeline
        .iter()
        .rposition(|line| line.contains("A: complete from"));
    let first_gap = timeline.iter().position(|line| line.contains("A: gap from"));
    assert!(
        last_known < first_gap,
        "what is complete lies over a gap: {timeline:?}"
    );
    assert!(
        !background.contains("not expected") && background.contains("of what is expected is covered"),
        "{background}"
    );
}

#[test]
fn what_cannot_be_shown_is_misuse() {
    let place = bars();
    for (line, word) in [
        ("coverage db nothing", "bars"),
        ("coverage db bars --width 1", "--width"),
        ("coverage db bars --infer 0s", "--infer"),
        ("coverage db bars --infer 1m --interval 1m", "--interval"),
        (
            "coverage db bars --infer 1m --start 2026-11-20 --end 2026-11-19",
            "--start",
        ),
        ("coverage db bars --off-grid", "--infer"),
        ("coverage db bars --forget --infer 1m", "--infer"),
        ("coverage db bars --yes", "--forget"),
        ("coverage db nothing --forget --yes", "bars"),
        (
            "coverage db bars --forget --yes --start 2026-11-20 --end 2026-11-19",
            "--start",
        ),
        ("coverage db bars --json --format csv", "--format"),
        ("coverage db bars --svg no/such/place.svg", "no/such/place.svg"),
    ] {
        let error = place.fails(2, line);
        assert!(error.contains(word), "{line}: {error}");
    }
    place.file("t.csv", "ts,v\n2026-11-20T00:00:00Z,1\n");
    place.ok("import db plain t.csv");
    place.ok("coverage db plain");
}

/// Real bars with natural holes, where the folder of real files is. A clone does not have it; `GAPLESS_SHARED`, else
/// `../shared/data`, says where it is.
#[test]
fn the_holes_of_real_bars_are_those_that_a_plain_count_finds() {
    let folder = std::env::var_os("GAPLESS_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let folder = if folder.join("data").is_dir() {
        folder.join("data")
    } else {
        folder
    };
    let file = folder.join("bars/freqtrade_10pairs_5m_201801.csv.gz");
    if !file.exists() {
        eprintln!("skipped: {} is not there", file.display());
        return;
    }
    let mut text = String::new();
    let mut unzipped = flate2::read::GzDecoder::new(std::fs::File::open(&file).unwrap());
    std::io::Read::read_to_string(&mut unzipped, &mut text).unwrap();
    let mut bars: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let mut fields = line.split(',');
        let pair = fields.next().unwrap().to_owned();
        let time: i64 = fields.next().unwrap().parse().unwrap();
        bars.entry(pair).or_default().insert(time / 300_000);
    }
    let all: BTreeSet<i64> = bars.values().flatten().copied().collect();
    let (first, last) = (*all.first().unwrap(), *all.last().unwrap());
    let missing = |has: &BTreeSet<i64>| (first..=last).filter(|slot| !has.contains(slot)).count() as u64;
    let mut expected: BTreeMap<String, u64> = bars
        .iter()
        .map(|(pair, has)| (pair.clone(), missing(has)))
        .collect();
    expected.retain(|_, slots| *slots > 0);
    assert!(expected.len() >= 5, "the file has holes: {expected:?}");

    let place = Place::new();
    place.ok(&format!("import db bars {} --series sym", file.display()));
    place.ok("coverage db bars --infer 5m");
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for gap in place.json("gaps db bars")["gaps"].as_array().unwrap() {
        let pair = gap["series"].as_str().unwrap().to_owned();
        *found.entry(pair).or_default() += gap["slots"].as_u64().unwrap();
    }
    assert_eq!(found, expected);
}
