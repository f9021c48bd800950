//! Sources that fail, hang and panic. What shows then: rows without coverage, coverage without rows, or a job that does not end.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use gapless::backfill::{FetchError, FetchRequest, Fetched, FetcherStrategy};

use super::fixture::*;

#[test]
fn a_source_that_fails_for_a_while_fills_the_gap_in_the_end() {
    everywhere(|table, _, interval| {
        let (report, calls) = fill(table, interval, |call, request| match call {
            0 | 1 => Err(FetchError::transient("try later")),
            _ => every_minute(request),
        });
        assert_eq!((report.count("filled"), report.attempts(), calls), (1, 3, 3));
        assert_eq!(stored(table), all_ten());
        assert!(missing(table, interval).is_empty());
    });
}

#[test]
fn a_source_that_fails_for_good_is_asked_once_and_leaves_the_gap() {
    everywhere(|table, _, interval| {
        let (report, calls) = fill(table, interval, |_, _| {
            Err(FetchError::permanent("no such symbol"))
        });
        assert_eq!((why(&report), calls), ("no such symbol", 1));
        assert_eq!(
            (stored(table), missing(table, interval)),
            (vec![], vec![(0, END)])
        );
    });
}

#[test]
fn a_source_that_always_asks_for_patience_is_given_up() {
    everywhere(|table, _, interval| {
        let (report, calls) = fill(table, interval, |_, _| Err(FetchError::transient("try later")));
        assert_eq!((why(&report), calls), ("try later", 4));
    });
}

#[test]
fn a_source_that_hangs_is_given_up_and_what_it_says_later_is_dropped() {
    everywhere(|table, _, interval| {
        let ((release, released), (answer, answered)) = (channel::<()>(), channel::<()>());
        let (released, answer) = (Mutex::new(released), Mutex::new(answer));
        let source = move |request: &FetchRequest| -> Result<Fetched, FetchError> {
            if request.attempt > 1 {
                return every_minute(request);
            }
            // Until the job is over.
            released
                .lock()
                .expect("no panic")
                .recv()
                .expect("the test goes on");
            answer.lock().expect("no panic").send(()).expect("the test waits");
            Ok(Fetched::all([rows(&[(0, -1.0)])]))
        };
        let strategy = FetcherStrategy::new(source).timeout(Duration::from_millis(60));
        let report = job(table, strategy, interval).run().expect("a report");
        assert_eq!((report.count("filled"), report.attempts()), (1, 2));
        release.send(()).expect("the source still hangs");
        answered.recv().expect("an answer");
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(stored(table), all_ten());
    });
}

/// A source that says when it is asked, and hangs until it is released.
fn hanging() -> (
    impl Fn(&FetchRequest) -> Result<Fetched, FetchError> + Send + Sync,
    Receiver<()>,
    Sender<()>,
) {
    let ((ask, asked), (release, released)) = (channel(), channel());
    let released = Mutex::new(released);
    let source = move |_: &FetchRequest| -> Result<Fetched, FetchError> {
        ask.send(()).expect("the test waits");
        // Until it is released or the test is over.
        let _ = released.lock().expect("no panic").recv();
        Ok(Fetched::all([rows(&[(0, -1.0)])]))
    };
    (source, asked, release)
}

#[test]
fn a_job_that_is_cancelled_while_its_source_hangs_is_over_at_once_and_holds_nothing() {
    everywhere(|table, _, interval| {
        let (source, asked, release) = hanging();
        let strategy = FetcherStrategy::new(source).timeout(Duration::from_secs(3600));
        let running = job(table, strategy, interval).start().expect("a job");
        asked.recv().expect("it is asked");
        let since = Instant::now();
        running.cancel();
        let report = running.wait().expect("a report");
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
        assert_eq!((report.count("cancelled"), stored(table)), (1, vec![]));
        // The lease would last for two minutes.
        let (report, _) = fill(table, interval, |_, request| every_minute(request));
        assert_eq!(report.count("filled"), 1);
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
        release.send(()).expect("the source still hangs");
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(stored(table), all_ten());
    });
}

#[test]
fn what_a_cancelled_job_hangs_on_without_a_time_limit_is_free_when_its_lease_expires() {
    everywhere(|table, _, interval| {
        let (source, asked, release) = hanging();
        let ttl = Duration::from_millis(150);
        let hangs = job(table, FetcherStrategy::new(source), interval).lease_ttl(ttl);
        let hangs = hangs.start().expect("a job");
        asked.recv().expect("it is asked");
        let since = Instant::now();
        hangs.cancel();
        drop(hangs);
        let (report, _) = fill(table, interval, |_, request| every_minute(request));
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
        assert_eq!(report.count("filled"), 1);
        release.send(()).expect("the source still hangs");
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(stored(table), all_ten());
    });
}

#[test]
fn a_source_that_panics_fails_its_gap_and_the_next_job_fills_it() {
    everywhere(|table, _, interval| {
        for timeout in [None, Some(Duration::from_secs(30))] {
            let source = |_: &FetchRequest| -> Result<Fetched, FetchError> { panic!("out of luck") };
            let strategy = match timeout {
                None => FetcherStrategy::new(source),
                Some(timeout) => FetcherStrategy::new(source).timeout(timeout),
            };
            let report = job(table, strategy, interval).run().expect("a report");
            assert!(why(&report).contains("panicked"), "{report:?}");
            assert_eq!(missing(table, interval), [(0, END)]);
        }
        // At once: nobody waits for a lease of the one that panicked.
        let (report, _) = fill(table, interval, |_, request| every_minute(request));
        assert_eq!((report.count("filled"), stored(table)), (1, all_ten()));
    });
}

#[test]
fn a_source_that_gives_too_little_is_asked_for_the_rest() {
    everywhere(|table, _, interval| {
        let (report, calls) = fill(table, interval, |call, request| {
            assert_eq!(request.start, i64::from(call) * 4 * MINUTE);
            let through = request.end.min(request.start + 4 * MINUTE);
            Ok(Fetched::through([minutes(request.start, through)], through))
        });
        assert_eq!((report.count("filled"), report.attempts(), calls), (1, 1, 3));
        assert_eq!(stored(table), all_ten());
    });
}

#[test]
fn a_retry_goes_on_where_the_last_commit_ended() {
    everywhere(|table, _, interval| {
        let (report, _) = fill(table, interval, |call, request| match call {
            0 => Ok(Fetched::through([minutes(0, 4 * MINUTE)], 4 * MINUTE)),
            1 => Err(FetchError::transient("try later")),
            _ => {
                assert_eq!((request.start, request.attempt), (4 * MINUTE, 2));
                every_minute(request)
            }
        });
        assert_eq!((report.count("filled"), stored(table)), (1, all_ten()));
    });
}

#[test]
fn a_source_that_attests_nothing_is_not_asked_for_ever() {
    everywhere(|table, _, interval| {
        for through in [0, -1, i64::MIN] {
            let (report, calls) = fill(table, interval, move |_, _| Ok(Fetched::through([], through)));
            assert!(why(&report).contains("attests"), "{report:?}");
            assert_eq!((calls, missing(table, interval)), (4, vec![(0, END)]));
        }
    });
}

#[test]
fn a_source_that_says_itself_that_rows_are_missing_leaves_a_gap_with_rows() {
    everywhere(|table, _, interval| {
        let some = |_, _: &FetchRequest| Ok(Fetched::partial([minutes(0, 3 * MINUTE)]));
        let (report, calls) = fill(table, interval, some);
        assert_eq!((report.count("partial"), calls), (1, 1));
        assert_eq!(
            (stored(table).len(), missing(table, interval)),
            (3, vec![(0, END)])
        );
        let (report, _) = fill(table, interval, |_, request| every_minute(request));
        assert_eq!((report.rows().inserted, report.rows().identical), (7, 3));
        assert_eq!(stored(table), all_ten());
    });
}

#[test]
fn an_empty_answer_is_known_from_then_on_and_never_asked_for_again() {
    everywhere(|table, _, interval| {
        let (report, _) = fill(table, interval, |_, _| Ok(Fetched::all([])));
        assert_eq!((report.count("empty"), missing(table, interval)), (1, vec![]));
        let (report, calls) = fill(table, interval, |_, _| Ok(Fetched::all([])));
        assert_eq!((report.gaps.len(), calls), (0, 0));
        let (_directory, db) = crate::common::scratch();
        let table = super::fixture::table(&db, gapless::Keep::Last);
        let without_rows = |_, _: &FetchRequest| Ok(Fetched::all([rows(&[]), rows(&[])]));
        assert_eq!(fill(&table, interval, without_rows).0.count("empty"), 1);
    });
}
