//! Files that have some rows of some series, read by a reader that counts.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::{DictionaryArray, StringArray, UInt32Array};

use super::*;
use crate::backfill::{BackfillReport, FilesAttest, FilesStrategy, GapOutcome};

const END: i64 = 20 * MINUTE;

/// A file `<from>-<to>.<series>` has every minute of a series.
fn read(path: &Path) -> Result<Vec<RecordBatch>, FetchError> {
    let name = path.file_stem().and_then(|name| name.to_str());
    let (from, to) = name
        .and_then(|name| name.split_once('-'))
        .ok_or_else(|| FetchError::permanent("no such file"))?;
    let minute = |text: &str| text.parse::<i64>().expect("a minute") * MINUTE;
    Ok(vec![minutes(minute(from), minute(to))])
}

fn series(path: &Path) -> Option<String> {
    path.extension()
        .map(|series| series.to_string_lossy().into_owned())
}

fn fill(bars: &Table, files: FilesStrategy) -> BackfillReport {
    let job = bars.backfill(files.series(series)).range(0, END);
    job.series(["a", "b"])
        .interval("1m")
        .retry(at_once())
        .run()
        .expect("a report")
}

#[test]
fn files_attest_what_they_were_said_to() {
    let gaps = |of: FilesAttest| {
        let db = database();
        let bars = bars(&db);
        let files = FilesStrategy::new(["2-5.a", "4-9.a", "12-14.a", "0-3.b"], read).attests(of);
        let report = fill(&bars, files);
        assert_eq!(values(&bars, "price").len(), 7 + 2 + 3, "{of:?}: {report:?}");
        let minutes = |(start, end): (i64, i64)| (start / MINUTE, end / MINUTE);
        let gaps = missing(&bars, "a", MINUTE, 0, END).into_iter().map(minutes);
        gaps.collect::<Vec<_>>()
    };
    assert_eq!(gaps(FilesAttest::Nothing), [(0, 20)]);
    assert_eq!(gaps(FilesAttest::Bounds), [(0, 2), (9, 12), (14, 20)]);
    assert_eq!(gaps(FilesAttest::Everything), []);
}

#[test]
fn a_file_is_read_once_for_all_gaps_as_long_as_it_is_kept() {
    let db = database();
    let bars = bars(&db);
    let count = Arc::new(AtomicU32::new(0));
    let reader = {
        let count = Arc::clone(&count);
        move |path: &Path| {
            count.fetch_add(1, Ordering::Relaxed);
            read(path)
        }
    };
    let files = FilesStrategy::new(["0-9.a", "0-20.b"], reader).attests(FilesAttest::Everything);
    let job = bars.backfill(files.series(series)).range(0, END);
    let report = job
        .series(["a", "b"])
        .interval("1m")
        .window_max("2m")
        .run()
        .expect("a report");
    assert_eq!((report.gaps.len(), report.rows().inserted), (20, 29));
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[test]
fn a_directory_gives_its_files_and_one_that_cannot_be_read_fails_the_gap() {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["0-9.a", "9-20.a"] {
        std::fs::write(directory.path().join(name), "").expect("a file");
    }
    std::fs::create_dir(directory.path().join("0-1.sub")).expect("a directory");
    let db = database();
    let table = bars(&db);
    let files = FilesStrategy::new([directory.path()], read).attests(FilesAttest::Bounds);
    let report = fill(&table, files);
    assert_eq!((report.count("filled"), report.count("failed")), (1, 1));
    let db = database();
    let report = fill(&bars(&db), FilesStrategy::new(["rubbish"], read));
    assert!(matches!(&report.gaps[0].outcome, GapOutcome::Failed(why) if why.contains("no such file")));
}

#[test]
fn a_file_that_does_not_say_its_series_is_refused_unless_its_path_does() {
    let db = database();
    let bars = bars(&db);
    let job = bars.backfill(FilesStrategy::new(["0-9.a"], read)).range(0, END);
    let report = job.series(["a"]).interval("1m").run().expect("a report");
    assert!(matches!(&report.gaps[0].outcome, GapOutcome::Failed(why) if why.contains("no series column")));
}

#[test]
fn rows_of_several_series_in_any_order_are_those_of_their_series() {
    let db = database();
    let bars = bars(&db);
    // Backwards, the series in turn, in batches whose dictionaries differ, with a name that is there twice and rows of none.
    let reader = |_: &Path| -> Result<Vec<RecordBatch>, FetchError> {
        let part = |minutes: std::ops::Range<i64>, names: [Option<&str>; 4]| {
            let times: Vec<i64> = minutes
                .clone()
                .rev()
                .flat_map(|minute| [minute * MINUTE; 3])
                .collect();
            let keys = minutes.clone().flat_map(|minute| [0, 1 + minute as u32 % 2, 3]);
            let names = DictionaryArray::new(
                UInt32Array::from_iter_values(keys),
                Arc::new(StringArray::from(names.to_vec())),
            );
            let price = times.iter().map(|time| (time / MINUTE) as f64).collect();
            let rows = batch(&times, &[("price", price)]);
            let mut columns: Vec<(&str, ArrayRef)> = vec![("node", Arc::new(names))];
            columns.extend([
                ("ts", Arc::clone(&rows["ts"])),
                ("price", Arc::clone(&rows["price"])),
            ]);
            RecordBatch::try_from_iter(columns).expect("columns of one length")
        };
        Ok(vec![
            part(10..20, [Some("a"), Some("b"), Some("b"), None]),
            part(0..10, [Some("b"), Some("a"), Some("a"), Some("c")]),
        ])
    };
    let files = FilesStrategy::new(["all"], reader).attests(FilesAttest::Bounds);
    let report = fill(&bars, files);
    assert!(report.is_complete(), "{report:?}");
    let expected: Vec<(i64, f64)> = (0..20).map(|minute| (minute * MINUTE, minute as f64)).collect();
    for name in ["a", "b"] {
        let of_one = bars
            .scan()
            .expect("a scan")
            .series([name])
            .collect()
            .expect("rows");
        let found: Vec<(i64, f64)> = of_one
            .iter()
            .flat_map(|batch| {
                let times = batch["ts"]
                    .as_primitive::<TimestampNanosecondType>()
                    .values()
                    .to_vec();
                let prices = batch["price"].as_primitive::<Float64Type>().values().to_vec();
                times.into_iter().zip(prices)
            })
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}
