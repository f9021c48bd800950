//! `fill`: rows from files and commands; what a source says wrong, late or never, and what is left then.

use serde_json::Value;

use crate::gaps::{bars, gaps_of};
use crate::support::Place;

/// Prints a row a minute of the range that it is asked for.
const FETCH: &str = r#"
echo "$GAPLESS_TABLE $GAPLESS_SERIES $GAPLESS_ATTEMPT $1" >> asked
echo ts,close
at=$GAPLESS_START_NS
while [ "$at" -lt "$GAPLESS_END_NS" ]; do
  echo "$at,7"
  at=$((at + GAPLESS_INTERVAL_NS))
done
"#;

/// Runs a fill by a command.
fn exec(place: &Place, command: &str, options: &str) -> (i32, Value) {
    let mut words = vec!["fill", "db", "bars", "--json", "--exec", command];
    words.extend(options.split_whitespace());
    let said = place.run_words(&words);
    let document = serde_json::from_str(&said.out);
    (
        said.code,
        document.unwrap_or_else(|_| panic!("{}\n{}", said.out, said.err)),
    )
}

fn error_of(document: &Value) -> &str {
    document["gaps"][0]["error"]
        .as_str()
        .unwrap_or_else(|| panic!("{document:#}"))
}

#[test]
fn a_command_fills_each_gap_and_nothing_is_asked_for_twice() {
    let place = bars();
    place.file("fetch.sh", FETCH);
    let (code, done) = exec(&place, "sh fetch.sh {start}", "--time-unit ns --source vendor");
    assert_eq!(code, 0, "{done:#}");
    assert_eq!(
        (&done["filled"], &done["rows_inserted"], &done["complete"]),
        (&2.into(), &4.into(), &true.into())
    );
    assert_eq!(place.rows("db", "bars"), 10);
    let asked = std::fs::read_to_string(place.path("asked")).unwrap();
    assert_eq!(
        asked,
        "bars B 1 2026-11-20T00:01:00Z\nbars A 1 2026-11-20T00:02:00Z\n"
    );
    assert!(place.ok("gaps db bars --fail").contains("no gaps"));
    let said = place.run_words(&["fill", "db", "bars", "--exec", "exit 1"]);
    assert_eq!((said.code, said.out.contains("no gaps")), (0, true), "{said:?}");
    let ranges = place.json("coverage db bars --series A");
    let sources: Vec<_> = ranges["ranges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|range| &range["source"])
        .collect();
    assert_eq!(sources, ["inferred", "vendor", "inferred"]);
    assert!(place.run("check db").out.contains("0 errors"));
    assert_eq!(place.json("leases db")["leases"].as_array().unwrap().len(), 0);
}

#[test]
fn a_dry_run_shows_what_would_be_asked_for_and_runs_nothing() {
    let place = bars();
    let (code, plan) = exec(
        &place,
        "touch ran {series} {interval}",
        "--dry-run --window 1m --order newest",
    );
    assert_eq!(
        (code, plan["dry_run"].as_bool(), plan.get("filled")),
        (0, Some(true), None)
    );
    let commands: Vec<_> = plan["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| gap["command"].as_str().unwrap())
        .collect();
    assert_eq!(commands.len(), 4);
    assert_eq!(commands[0], "touch ran A 1m");
    assert!(!place.has("ran"));
    let said = place.run_words(&[
        "fill",
        "db",
        "bars",
        "--from",
        "bars.csv",
        "--dry-run",
        "--merge",
        "1h",
    ]);
    assert!(said.out.contains("dry run: 2 requests"), "{said:?}");
}

#[test]
fn a_transient_failure_is_tried_again_and_a_permanent_one_is_not() {
    let place = bars();
    place.file(
        "flaky.sh",
        format!("[ \"$GAPLESS_ATTEMPT\" -ge 3 ] || exit 75\n{FETCH}"),
    );
    let (code, done) = exec(&place, "sh flaky.sh", "--time-unit ns --series A");
    assert_eq!((code, &done["gaps"][0]["attempts"]), (0, &3.into()), "{done:#}");
    place.file("dead.sh", "echo x >> runs\necho no such symbol >&2\nexit 3\n");
    let (code, done) = exec(&place, "sh dead.sh", "--series B");
    assert_eq!(code, 1);
    let error = error_of(&done);
    assert!(error.contains("exit code 3: no such symbol"), "{error}");
    assert_eq!(std::fs::read_to_string(place.path("runs")).unwrap(), "x\n");
    let (_, done) = exec(&place, "exit 75", "--series B --retries 0");
    assert!(error_of(&done).contains("75"));
    assert_eq!(done["gaps"][0]["attempts"], 1);
}

#[test]
fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let place = bars();
    place.file(
        "hang.sh",
        "sh -c 'echo $$ > pid; sleep 600; echo late > late' &\nwait\n",
    );
    let began = std::time::Instant::now();
    let (code, done) = exec(&place, "sh hang.sh", "--series A --timeout 300ms --retries 0");
    assert_eq!(code, 1);
    assert!(error_of(&done).contains("--timeout"), "{done:#}");
    assert!(began.elapsed().as_secs() < 60);
    let pid = std::fs::read_to_string(place.path("pid")).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap_or_default();
    assert!(status.is_empty() || status.contains("State:\tZ"), "{status}");
    assert_eq!(gaps_of(&place.json("gaps db bars --series A")).len(), 1);
}

#[test]
fn what_is_no_row_is_refused_and_never_taken_for_nothing() {
    let place = bars();
    for (command, word) in [
        ("echo rate limited", "expected rows"),
        ("echo '{\"error\": \"rate limited\"}'", "ts"),
        ("printf 'ts,close\\n2026-11-20T00:02:00Z,abc\\n'", "abc"),
        ("printf 'ts,close\\nyesterday,1\\n'", "yesterday"),
        ("printf 'ts,close,venue\\n2026-11-20T00:02:00Z,1,X\\n'", "venue"),
        ("printf 'ts,close\\n2026-11-20T00:09:00Z,1\\n'", "00:09:00"),
        ("printf 'ts,close\\n2026-11-20T00:02:30Z,1\\n'", "grid"),
        (
            "printf 'ts,sym,close\\n2026-11-20T00:02:00Z,B,1\\n'",
            "another series",
        ),
        (
            "printf 'ts,close\\n2026-11-20T00:02:00Z,1\\n#through soon\\n'",
            "soon",
        ),
        ("printf '\\377\\377\\377\\377garbage and more garbage'", "stdout"),
        ("kill -9 $$", "signal 9"),
        ("no-such-command", "127"),
    ] {
        let (code, done) = exec(&place, command, "--series A --retries 0");
        assert_eq!(code, 1, "{command}: {done:#}");
        assert_eq!(done["failed"], 1, "{command}: {done:#}");
        assert!(error_of(&done).contains(word), "{command}: {}", error_of(&done));
    }
    assert_eq!(gaps_of(&place.json("gaps db bars --series A")).len(), 1);
    assert_eq!(place.rows("db", "bars"), 6);
}

#[test]
fn rows_outside_are_left_out_when_that_is_asked_for() {
    let place = bars();
    place.file(
        "near.csv",
        "ts,close\n2026-11-20T00:01:00Z,0\n2026-11-20T00:02:00Z,3\n2026-11-20T00:09:00Z,0\n",
    );
    let (code, done) = exec(&place, "cat near.csv", "--series A --clip");
    assert_eq!((code, &done["rows_inserted"]), (0, &1.into()), "{done:#}");
    assert_eq!(place.rows("db", "bars"), 7);
}

#[test]
fn a_source_says_how_far_it_speaks() {
    let place = bars();
    // Nothing at all: it has nothing.
    let (code, done) = exec(&place, "true", "--series A");
    assert_eq!((code, &done["empty"]), (0, &1.into()));
    // A header alone is nothing too.
    let (code, done) = exec(
        &place,
        "echo ts,close; printf '#through %s\\n' \"$GAPLESS_END\"",
        "--series B",
    );
    assert_eq!((code, &done["empty"]), (0, &1.into()), "{done:#}");
    // So is an empty list.
    let (code, done) = exec(
        &place,
        "echo '[]'",
        "--series B --start 2026-11-20T00:06:00Z --end 2026-11-20T00:07:00Z",
    );
    assert_eq!((code, &done["empty"]), (0, &1.into()), "{done:#}");
    let far = "--series A --start 2026-11-20T00:05:00Z --end 2026-11-20T00:08:00Z --retries 0";
    // One slot at a time: it is asked again for the rest.
    place.file(
        "slow.sh",
        "echo ts,close; echo $GAPLESS_START,1; echo x >> runs\necho \"#through $((GAPLESS_START_NS + 60000000000))ns\"\n",
    );
    let (code, done) = exec(&place, "sh slow.sh", far);
    assert_eq!((code, &done["rows_inserted"]), (0, &3.into()), "{done:#}");
    assert_eq!(std::fs::read_to_string(place.path("runs")).unwrap(), "x\nx\nx\n");
    let later = "--series A --start 2026-11-20T00:08:00Z --end 2026-11-20T00:10:00Z --retries 0";
    let (code, done) = exec(
        &place,
        "echo ts,close; echo $GAPLESS_START,1; echo 'gapless: partial' >&2",
        later,
    );
    assert_eq!(
        (code, &done["partial"], &done["rows_inserted"]),
        (1, &1.into(), &1.into()),
        "{done:#}"
    );
    assert_eq!(
        gaps_of(&place.json("gaps db bars --series A --end 2026-11-20T00:10:00Z")).len(),
        1
    );
}

#[test]
fn json_lines_arrow_and_parquet_are_taken_as_csv_is() {
    let place = bars();
    place.file(
        "missing.csv",
        "ts,sym,close\n2026-11-20T00:02:00Z,A,3\n2026-11-20T00:03:00Z,A,4\n",
    );
    place.ok("import other bars missing.csv --series sym --type close=i64");
    for format in ["jsonl", "arrow", "parquet"] {
        place.ok(&format!("export other bars --to rows.{format}"));
        let fresh = bars();
        std::fs::copy(place.path(&format!("rows.{format}")), fresh.path("rows")).unwrap();
        let (code, done) = exec(&fresh, "cat rows", "--series A");
        assert_eq!(
            (code, &done["rows_inserted"]),
            (0, &2.into()),
            "{format}: {done:#}"
        );
        assert_eq!(
            fresh.ok("head db bars --series A --columns close --format csv"),
            "close\n1\n2\n3\n4\n5\n"
        );
    }
    let stream = place.run_words(&["head", "other", "bars", "--format", "csv"]).out;
    assert!(stream.contains("A,3"));
}

#[test]
fn an_answer_that_lacks_a_column_is_refused_unless_it_may() {
    let place = bars();
    let lacking = "printf 'ts\\n2026-11-20T00:02:00Z\\n2026-11-20T00:03:00Z\\n'";
    let (code, done) = exec(&place, lacking, "--series A");
    assert_eq!((code, &done["rows_inserted"]), (1, &0.into()), "{done:#}");
    assert!(
        done.to_string().contains("gave no column [\\\"close\\\"]"),
        "{done:#}"
    );
    assert!(done.to_string().contains("--missing-columns"), "{done:#}");
    let (code, done) = exec(&place, lacking, "--series A --missing-columns");
    assert_eq!((code, &done["rows_inserted"]), (0, &2.into()), "{done:#}");
}

#[test]
fn files_fill_the_gaps_that_they_have_rows_of() {
    let place = bars();
    std::fs::create_dir_all(place.path("drop/deep")).unwrap();
    place.file(
        "drop/a.csv",
        "ts,sym,close\n2026-11-20T00:03:00Z,A,4\n2026-11-20T00:02:00Z,A,3\n2026-11-20T00:00:00Z,A,99\n",
    );
    place.file(
        "drop/deep/z.jsonl",
        "{\"ts\":\"2026-11-20T00:02:00Z\",\"sym\":\"A\",\"close\":3}\n{\"ts\":\"2026-11-20T00:02:00Z\",\"sym\":\"C\",\"close\":1}\n",
    );
    place.file("drop/notes.md", "not rows");
    let said = place.run("fill db bars --from drop --json");
    let done: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    // The files say nothing of B.
    assert_eq!(
        (said.code, &done["filled"], &done["failed"]),
        (1, &1.into(), &1.into()),
        "{done:#}"
    );
    let failed = done["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|gap| gap["outcome"] == "failed")
        .unwrap();
    assert!(
        failed["error"].as_str().unwrap().contains("--attest-empty"),
        "{failed}"
    );
    assert_eq!(
        place.ok("head db bars --series A --columns close --format csv"),
        "close\n1\n2\n3\n4\n5\n"
    );
    let done = place.json("fill db bars --from drop --attest-empty");
    assert_eq!(done["empty"], 1);
    assert!(place.ok("gaps db bars").contains("no gaps"));
}

#[test]
fn near_gaps_that_are_asked_for_together_are_not_attested_by_each_others_rows() {
    let place = bars();
    place.file(
        "more.csv",
        "ts,close\n2026-11-20T00:02:00Z,3\n2026-11-20T00:03:00Z,4\n",
    );
    let line = "fill db bars --from more.csv --series A --merge 1h --end 2026-11-20T00:08:00Z --json";
    let said = place.run(line);
    let done: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &done["partial"]), (1, &1.into()), "{done:#}");
    let left = gaps_of(&place.json("gaps db bars --series A --end 2026-11-20T00:08:00Z"));
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].1, "2026-11-20T00:05:00Z");
}

#[test]
fn a_file_whose_time_has_another_name_fills_too() {
    let place = bars();
    place.file("o.csv", "open_ms,close\n1795132920000,3\n1795132980000,4\n");
    let done = place.json("fill db bars --from o.csv --series A --time open_ms");
    assert_eq!(done["rows_inserted"], 2, "{done:#}");
    assert!(place.ok("gaps db bars --series A").contains("no gaps"));
}

#[test]
fn what_cannot_be_filled_is_misuse() {
    let place = bars();
    place.file("no_series.csv", "ts,close\n2026-11-20T00:02:00Z,3\n");
    std::fs::create_dir(place.path("empty")).unwrap();
    for (words, said) in [
        (vec![], "--exec"),
        (vec!["--from", "bars.csv", "--exec", "true"], "--exec"),
        (vec!["--exec", "get ${series}"], "after $"),
        (vec!["--exec", "  "], "--exec"),
        (vec!["--from", "nothing.csv"], "nothing.csv"),
        (vec!["--from", "empty"], "holds no file"),
        (vec!["--from", "no_series.csv"], "\"sym\""),
        (vec!["--exec", "true", "--attest-empty"], "--attest-empty"),
        (vec!["--exec", "true", "--timeout", "0s"], "--timeout"),
        (vec!["--exec", "true", "--concurrency", "0"], "--concurrency"),
        (vec!["--exec", "true", "--window", "1x"], "--window"),
    ] {
        let mut line = vec!["fill", "db", "bars"];
        line.extend(&words);
        let outcome = place.run_words(&line);
        assert_eq!(outcome.code, 2, "{words:?}: {outcome:?}");
        assert!(outcome.err.contains(said), "{words:?}: {}", outcome.err);
    }
    assert_eq!(place.rows("db", "bars"), 6);
}

#[test]
fn several_commands_at_once_fill_every_gap_once() {
    let place = Place::new();
    let mut csv = String::from("ts,sym,close\n");
    for series in 0..8 {
        csv.push_str(&format!(
            "2026-11-20T00:00:00Z,S{series},0\n2026-11-20T00:59:00Z,S{series},59\n"
        ));
    }
    place.file("bars.csv", csv);
    place.ok("import db bars bars.csv --series sym");
    place.ok("coverage db bars --infer 1m");
    place.file("fetch.sh", FETCH);
    let (code, done) = exec(
        &place,
        "sh fetch.sh",
        "--time-unit ns --window 10m --concurrency 4 --durability buffered",
    );
    assert_eq!((code, &done["rows_inserted"]), (0, &(8 * 58).into()), "{done:#}");
    assert_eq!(place.rows("db", "bars"), 8 * 60);
    let asked = std::fs::read_to_string(place.path("asked")).unwrap();
    assert_eq!(asked.lines().count(), 8 * 6);
}

#[test]
fn a_fill_that_is_interrupted_kills_its_command_and_keeps_what_is_done() {
    let place = bars();
    let command = "if [ $GAPLESS_SERIES = B ]; then echo ts,close; echo $GAPLESS_START,1; \
                   else echo $$ > pid; sleep 600; fi";
    let words = [
        "fill", "db", "bars", "--json", "--window", "1m", "--exec", command,
    ];
    let child = place
        .command(&words)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let began = std::time::Instant::now();
    while !place.has("pid") {
        assert!(began.elapsed().as_secs() < 60, "the command of A was not run");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    let sent = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(began.elapsed().as_secs() < 60);
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{done:#}");
    assert!(done["cancelled"].as_u64() >= Some(1), "{done:#}");
    let pid = std::fs::read_to_string(place.path("pid")).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap_or_default();
    assert!(status.is_empty() || status.contains("State:\tZ"), "{status}");
    assert_eq!(
        place.rows("db", "bars"),
        6 + done["rows_inserted"].as_u64().unwrap()
    );
    assert!(place.ok("leases db").contains("no leases"));
}

#[test]
fn the_name_of_a_series_never_becomes_a_command() {
    let place = Place::new();
    place.file(
        "bars.csv",
        "ts,sym,close\n2026-11-20T00:00:00Z,$(touch PWNED),1\n2026-11-20T00:00:00Z,x; touch PWNED;,1\n",
    );
    place.ok("import db bars bars.csv --series sym");
    for command in [
        "x=\"$(cat \"/nonexistent/{series}\")\"; echo \"$x\"",
        "cat <<EOF\n{series}\nEOF",
        "cat <<'EOF'\n{series}\nEOF",
        "# don't\ncat '{series}'",
        "cat '{series}' \"{series}\" {series}",
        "x=`cat {series}`",
    ] {
        let range = "--interval 1m --start 2026-11-20T00:00:00Z --end 2026-11-20T00:01:00Z --retries 0";
        exec(&place, command, range);
        assert!(!place.has("PWNED"), "{command}");
    }
}

#[test]
fn a_command_has_what_it_is_asked_for_in_its_environment_too() {
    let place = bars();
    let command = "echo \"$GAPLESS_TABLE $GAPLESS_SERIES $GAPLESS_START $GAPLESS_END $GAPLESS_INTERVAL\" '{series}' >> asked";
    exec(&place, command, "--series A");
    assert_eq!(
        std::fs::read_to_string(place.path("asked")).unwrap(),
        "bars A 2026-11-20T00:02:00Z 2026-11-20T00:04:00Z 1m A\n"
    );
}

#[test]
fn a_mark_on_standard_error_is_not_lost_in_what_follows_it() {
    let place = bars();
    let (code, done) = exec(
        &place,
        "printf 'ts,close\\n2026-11-20T00:02:00Z,3\\n'; echo 'gapless: partial' >&2; yes log | head -c 200000 >&2",
        "--series A",
    );
    assert_eq!((code, &done["partial"]), (1, &1.into()), "{done:#}");
    assert_eq!(gaps_of(&place.json("gaps db bars --series A")).len(), 1);
}

#[test]
fn a_mark_that_is_not_understood_is_no_complete_answer() {
    let place = bars();
    for mark in ["gapless: through 2026-11-20T00:03:00Z", "gapless: Partial"] {
        let (code, done) = exec(
            &place,
            &format!("echo '{mark}' >&2; yes log | head -c 100000 >&2"),
            "--series A",
        );
        assert_eq!((code, &done["failed"]), (1, &1.into()), "{done:#}");
        assert!(error_of(&done).contains(mark), "{}", error_of(&done));
        assert_eq!(done["gaps"][0]["attempts"], 1);
    }
    assert_eq!(gaps_of(&place.json("gaps db bars --series A")).len(), 1);
}

/// Prints more than is kept in memory.
const LARGE: &str =
    "echo ts,close; echo 2026-11-20T00:02:00Z,3; yes '' | head -c 6000000; echo 2026-11-20T00:03:00Z,4";

#[test]
fn an_answer_that_cannot_be_kept_is_not_taken_for_nothing() {
    let place = bars();
    let fill = |command: &str| {
        let words = ["fill", "db", "bars", "--series", "A", "--json", "--exec", command];
        let output = place
            .command(&words)
            .env("TMPDIR", place.path("no/such"))
            .output()
            .unwrap();
        let done: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), done)
    };
    let (code, done) = fill(LARGE);
    assert_eq!((code, &done["failed"]), (Some(1), &1.into()), "{done:#}");
    assert!(error_of(&done).contains("cannot be kept"), "{}", error_of(&done));
    assert_eq!(gaps_of(&place.json("gaps db bars --series A")).len(), 1);
    // A small one needs no file.
    let (code, done) = fill(
        "printf 'ts,close\\n2026-11-20T00:02:00Z,3\\n#through 2026-11-20T00:03:00Z\\n'; test $GAPLESS_START_NS = 1795132920000000000 || exit 1",
    );
    assert_eq!((code, &done["rows_inserted"]), (Some(1), &1.into()), "{done:#}");
    let (code, done) = exec(&place, LARGE, "--series A --clip");
    assert_eq!((code, &done["rows_inserted"]), (0, &1.into()), "{done:#}");
}

#[test]
fn a_command_that_prints_without_end_is_ended() {
    let place = bars();
    let began = std::time::Instant::now();
    let (code, done) = exec(
        &place,
        "echo $$ > pid; yes",
        "--series A --output-max 100kB --timeout 300s",
    );
    assert_eq!((code, &done["gaps"][0]["attempts"]), (1, &1.into()), "{done:#}");
    assert!(error_of(&done).contains("--output-max"), "{}", error_of(&done));
    assert!(began.elapsed().as_secs() < 60);
}

#[test]
fn a_command_that_leaves_something_running_is_not_waited_for() {
    let place = bars();
    let began = std::time::Instant::now();
    let command = "sleep 30 & echo $! > left; echo ts,close; echo 2026-11-20T00:02:00Z,3";
    let (code, done) = exec(&place, command, "--series A");
    assert_eq!((code, &done["rows_inserted"]), (0, &1.into()), "{done:#}");
    assert!(began.elapsed().as_secs() < 25, "{:?}", began.elapsed());
    let left = std::fs::read_to_string(place.path("left")).unwrap();
    std::process::Command::new("kill")
        .arg(left.trim())
        .status()
        .unwrap();
}

#[test]
fn a_series_that_is_new_is_told_of() {
    let place = bars();
    let words = ["fill", "db", "bars", "--exec", "true", "--dry-run", "--series"];
    for (series, note) in [("A", false), ("AALP", true)] {
        let said = place.run_words(&[&words[..], &[series]].concat());
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(said.err.contains("new series"), note, "{said:?}");
    }
}

#[test]
fn a_row_off_the_grid_is_answered_with_what_can_be_done() {
    let place = bars();
    let (_, done) = exec(
        &place,
        "printf 'ts,close\\n2026-11-20T00:02:30Z,1\\n'",
        "--series A",
    );
    assert!(
        error_of(&done).ends_with("or a finer --interval"),
        "{}",
        error_of(&done)
    );
    let place = Place::new();
    place.file("t.csv", "ts,v\n2026-11-20T00:00:00Z,1\n2026-11-20T00:04:00Z,1\n");
    place.ok("import db bars t.csv");
    let (_, done) = exec(
        &place,
        "printf 'ts,v\\n2026-11-20T00:02:30Z,1\\n'",
        "--interval 1m",
    );
    assert!(error_of(&done).contains("gap from "), "{}", error_of(&done));
}
