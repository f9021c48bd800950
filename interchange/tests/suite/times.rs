//! Times: no unit, zone or notation is ever guessed silently, and every accepted one is exact.

use gapless_interchange::{InterchangeError, ReadOptions, TimeUnit, plan};

use crate::support::{Files, error, read, texts, utc};

fn times(values: &[&str], options: &ReadOptions) -> Result<Vec<String>, InterchangeError> {
    let files = Files::new();
    let path = files.add(
        "a.csv",
        format!(
            "time,n\n{}",
            values.iter().map(|v| format!("\"{v}\",1\n")).collect::<String>()
        ),
    );
    read(&[path], options).map(|(_, batches)| texts(&batches, "time"))
}

fn one(value: &str, options: &ReadOptions) -> String {
    match times(&[value], options) {
        Ok(found) => found[0].clone(),
        Err(error) => panic!("{value}: {error}"),
    }
}

fn zone(name: &str) -> ReadOptions {
    ReadOptions {
        zone: Some(name.into()),
        ..Default::default()
    }
}

fn unit(unit: TimeUnit) -> ReadOptions {
    ReadOptions {
        time_unit: Some(unit),
        ..Default::default()
    }
}

#[test]
fn text_with_an_offset_is_taken_as_the_instant_it_names() {
    let plain = ReadOptions::default();
    for (text, instant) in [
        ("2012-02-01T00:00:00Z", "2012-02-01T00:00:00Z"),
        ("2012-02-01 00:00:00+00:00", "2012-02-01T00:00:00Z"),
        (
            "2012-02-01T05:30:00.000000001+05:30",
            "2012-02-01T00:00:00.000000001Z",
        ),
        ("2012-02-01 00:00-0500", "2012-02-01T05:00:00Z"),
        ("2012/02/01 00:00:00.5-05", "2012-02-01T05:00:00.500Z"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"),
        ("1677-09-21T00:12:43.145224192Z", "1677-09-21T00:12:43.145224192Z"),
        ("2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:16.854775807Z"),
    ] {
        assert_eq!(one(text, &plain), instant);
    }
    let mixed = times(&["2024-07-01T12:00:00+02:00", "2024-07-01T12:00:00Z"], &plain).unwrap();
    assert_eq!(mixed, ["2024-07-01T10:00:00Z", "2024-07-01T12:00:00Z"]);
}

#[test]
fn text_without_an_offset_needs_a_zone() {
    let found = times(&["2024-07-01 12:00:00"], &ReadOptions::default()).unwrap_err();
    assert!(found.to_string().contains("--zone UTC"), "{found}");
    assert_eq!(one("2024-07-01 12:00:00", &utc()), "2024-07-01T12:00:00Z");
    assert_eq!(one("2024-07-01", &utc()), "2024-07-01T00:00:00Z");
    assert_eq!(
        one("2024-07-01 12:00:00", &zone("Europe/Paris")),
        "2024-07-01T10:00:00Z"
    );
    assert_eq!(
        one("2024-01-01 12:00:00", &zone("Europe/Paris")),
        "2024-01-01T11:00:00Z"
    );
    assert_eq!(
        one("2024-07-01 12:00:00", &zone("+05:30")),
        "2024-07-01T06:30:00Z"
    );
    assert_eq!(
        one("2024-07-01 12:00:00Z", &zone("Europe/Paris")),
        "2024-07-01T12:00:00Z"
    );
    assert!(
        times(&["2024-07-01"], &zone("Europe/Lutetia"))
            .unwrap_err()
            .to_string()
            .contains("not a known time zone")
    );
}

#[test]
fn a_local_time_that_clocks_skip_is_refused_and_one_that_occurs_twice_is_the_first() {
    let paris = zone("Europe/Paris");
    let found = times(&["2024-03-31 01:59:59", "2024-03-31 02:30:00"], &paris).unwrap_err();
    assert_eq!(found.line, Some(3));
    assert!(
        found.to_string().contains("does not exist in Europe/Paris"),
        "{found}"
    );
    assert_eq!(one("2024-10-27 02:30:00", &paris), "2024-10-27T00:30:00Z");

    let files = Files::new();
    let path = files.add("a.csv", "time,n\n2024-10-27 02:30:00,1\n2024-10-27 03:30:00,1\n");
    let plan = plan(&[path], &paris).unwrap();
    let mut source = gapless_interchange::Source::open(&plan, &paris).unwrap();
    assert!(source.by_ref().all(|batch| batch.is_ok()));
    assert_eq!(source.ambiguous_times(), 1);
}

#[test]
fn integer_times_need_a_unit_or_a_name_that_says_it() {
    let files = Files::new();
    let path = files.add("a.csv", "time,n\n1514764802610,1\n");
    let found = error(&path, &ReadOptions::default()).to_string();
    for part in [
        "s = year 49",
        "ms = 2018-01-01T00:00:02.61Z",
        "us = 1970-01-18",
        "ns = 1970-01-01",
        "--time-unit ms",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
    assert_eq!(
        one("1514764802610", &unit(TimeUnit::Millisecond)),
        "2018-01-01T00:00:02.610Z"
    );
    assert_eq!(
        one("1514764802610", &unit(TimeUnit::Nanosecond)),
        "1970-01-01T00:25:14.764802610Z"
    );
    for (name, value) in [
        ("ts_s", "1514764802"),
        ("ts_ms", "1514764802000"),
        ("TS_US", "1514764802000000"),
        ("time_ns", "1514764802000000000"),
    ] {
        let (plan, batches) = read(
            &[files.add("b.csv", format!("{name},n\n{value},1\n"))],
            &ReadOptions::default(),
        )
        .unwrap();
        assert_eq!(texts(&batches, name), ["2018-01-01T00:00:02Z"]);
        assert!(
            plan.decisions[0].because.contains("because the name ends in _"),
            "{:?}",
            plan.decisions[0]
        );
    }
    let found = error(
        files.add("c.csv", "ts_s,n\n1514764802610,1\n"),
        &ReadOptions::default(),
    )
    .to_string();
    assert!(
        found.contains("the name says seconds") && found.contains("--time-unit ms"),
        "{found}"
    );
}

#[test]
fn decimal_times_need_a_unit_and_lose_no_digit() {
    assert!(
        times(&["1514764802.610"], &ReadOptions::default())
            .unwrap_err()
            .to_string()
            .contains("--time-unit")
    );
    assert_eq!(
        one("1514764802.610000001", &unit(TimeUnit::Second)),
        "2018-01-01T00:00:02.610000001Z"
    );
    assert_eq!(one("-0.5", &unit(TimeUnit::Second)), "1969-12-31T23:59:59.500Z");
    assert!(times(&["1.5", "1514764802.6100000011"], &unit(TimeUnit::Second)).is_err());
}

#[test]
fn times_that_cannot_be_told_are_refused() {
    let utc = utc();
    for text in [
        "2024-13-01",
        "2024-02-30 10:00:00",
        "2024-01-01T24:00:00Z",
        "2024-01-01T10:60:00Z",
        "2024-01-01T10:00:60Z",
        "2024-01-01T10:00:00.0000000001Z",
        "2024-01-01T",
        "2024-01-01X10:00",
        "24-01-01",
        "2024-01-01T10:00:00+25:00",
        "1677-01-01T00:00:00Z",
        "2263-01-01T00:00:00Z",
        "yesterday",
        "2024-01-01T10:00:00.Z",
        "2024-1-1",
    ] {
        assert!(times(&[text], &utc).is_err(), "{text}");
    }
    let found = times(&["03/04/2024 10:00"], &utc).unwrap_err().to_string();
    assert!(
        found.contains("which number is the day") && found.contains("--time-format"),
        "{found}"
    );
    let found = times(
        &["1514764802"],
        &ReadOptions {
            time_unit: Some(TimeUnit::Second),
            ..Default::default()
        },
    );
    assert!(found.is_ok());
    let found = times(&["9223372036855"], &unit(TimeUnit::Second))
        .unwrap_err()
        .to_string();
    assert!(found.contains("1677 to 2262"), "{found}");
}

#[test]
fn a_given_format_is_followed() {
    let format = |format: &str| ReadOptions {
        time_format: Some(format.into()),
        ..utc()
    };
    assert_eq!(
        one("03/04/2024 10:00", &format("%m/%d/%Y %H:%M")),
        "2024-03-04T10:00:00Z"
    );
    assert_eq!(one("04.03.2024", &format("%d.%m.%Y")), "2024-03-04T00:00:00Z");
    assert_eq!(
        one("20240304 100000.5", &format("%Y%m%d %H%M%S%.f")),
        "2024-03-04T10:00:00.500Z"
    );
    let zoned = ReadOptions {
        zone: None,
        ..format("%d %b %Y %H:%M %z")
    };
    assert_eq!(one("04 Mar 2024 10:00 +0100", &zoned), "2024-03-04T09:00:00Z");
    let found = times(&["2024"], &format("%d.%m.%Y")).unwrap_err().to_string();
    assert!(found.contains("does not match --time-format"), "{found}");
}

#[test]
fn the_time_column_is_found_or_asked_for() {
    let files = Files::new();
    let chosen = |header: &str, row: &str| {
        let path = files.add("a.csv", format!("{header}\n{row}\n"));
        plan(&[path], &utc())
            .map(|plan| plan.time)
            .map_err(|error| error.to_string())
    };
    let day = "2024-01-01T00:00:00Z";
    assert_eq!(
        chosen("n,opened", &format!("1,{day}")).unwrap(),
        "opened",
        "the only timestamps"
    );
    assert_eq!(
        chosen("Time,created", &format!("{day},{day}")).unwrap(),
        "Time",
        "a usual name among timestamps"
    );
    let several = chosen("created,changed", &format!("{day},{day}")).unwrap_err();
    assert!(
        several.contains("created, changed") && several.contains("--time"),
        "{several}"
    );
    let several = chosen("ts_ms,time", "1514764802610,1514764802610").unwrap_err();
    assert!(several.contains("ts_ms, time"), "{several}");
    let none = chosen("a,b", "1,2").unwrap_err();
    assert!(none.contains("the columns are a, b"), "{none}");
    let path = files.add("b.csv", "a,b\n1,2\n");
    let missing = ReadOptions {
        time: Some("c".into()),
        ..Default::default()
    };
    assert!(
        error(path, &missing)
            .to_string()
            .contains("there is no column \"c\" (--time)")
    );
}

#[test]
fn a_zone_is_kept_under_its_proper_name() {
    let files = Files::new();
    let path = files.add("a.csv", "time,n\n2024-07-01 12:00:00,1\n");
    for (given, kept) in [
        ("utc", "UTC"),
        ("europe/paris", "Europe/Paris"),
        ("+05:30", "+05:30"),
    ] {
        let plan = plan(std::slice::from_ref(&path), &zone(given)).unwrap();
        let expected = arrow_schema::DataType::Timestamp(TimeUnit::Nanosecond, Some(kept.into()));
        assert_eq!(plan.schema.field(0).data_type(), &expected);
    }
}
