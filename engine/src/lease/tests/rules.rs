//! What each operation grants, refuses and tells, one rule per test; two processes wherever it matters.

use super::*;
use crate::test_events::{Event, events_of};

#[test]
fn a_live_lease_excludes_what_overlaps_it_and_nothing_else() {
    let (one, other, _) = two();
    let held = grant(&one, &request("A", 10, 20, "one", 100));
    for (start, end) in [(10, 20), (0, 11), (19, 30), (12, 13), (0, 30)] {
        let answer = other
            .claim(&request("A", start, end, "other", 100))
            .expect("an answer");
        assert_eq!(answer, Claim::Held(held.clone()), "[{start}, {end})");
    }
    grant(&other, &request("A", 0, 10, "other", 100));
    grant(&other, &request("A", 20, 30, "other", 100));
    grant(&other, &request("B", 10, 20, "other", 100));
    let same = request("A", 10, 20, "other", 100);
    let key = &same.key;
    let apart = [
        LeaseRequest {
            table: 2,
            ..same.clone()
        },
        LeaseRequest {
            key: LeaseKey {
                series: None,
                ..key.clone()
            },
            ..same.clone()
        },
        LeaseRequest {
            key: key.clone().world("w"),
            ..same.clone()
        },
    ];
    for request in apart {
        grant(&other, &request);
    }
    let as_of = LeaseRequest {
        key: key.clone().as_of(Some(5)),
        ..same
    };
    assert_eq!(one.claim(&as_of).expect("an answer"), Claim::Held(held));
}

#[test]
fn two_who_fill_a_range_on_different_grids_do_not_both_write_its_rows() {
    let (one, other, clock) = two();
    let on = |interval: i64, start: i64, end: i64, holder: &str| LeaseRequest {
        key: LeaseKey {
            interval,
            ..request("A", start, end, holder, 100).key
        },
        ..request("A", start, end, holder, 100)
    };
    let held = grant(&one, &on(60, 0, 60, "one"));
    for interval in [0, 1, 3_600] {
        let answer = other.claim(&on(interval, 0, 10, "other")).expect("an answer");
        assert_eq!(answer, Claim::Held(held.clone()), "{interval}");
    }
    assert!(held.key.to_string().starts_with("A:60ns:"), "{}", held.key);
    clock.advance(100);
    let heir = grant(&other, &on(0, 0, 60, "other"));
    assert_lost(one.fence(&held));
    drop(other.fence(&heir).expect("it is the newest"));
}

#[test]
fn an_expired_lease_is_good_until_it_is_taken_over_and_lost_from_then_on() {
    let (one, other, clock) = two();
    let late = grant(&one, &request("A", 10, 20, "late", 100));
    clock.advance(100);
    drop(one.fence(&late).expect("nobody has taken it over"));
    let heir = grant(&other, &request("A", 15, 30, "heir", 100));
    assert!(heir.epoch > late.epoch);
    let error = one.fence(&late).map(drop).expect_err("it was taken over");
    for part in [
        "A:60ns:10ns:20ns",
        "heir",
        &late.epoch.to_string(),
        &heir.epoch.to_string(),
    ] {
        assert!(error.to_string().contains(part), "{part} in {error}");
    }
    assert_lost(one.fence(&late));
    assert_lost(one.renew(&late, ns(9), None));
    assert_lost(one.complete(&late));
    assert_lost(one.fail(&late, "late"));
    drop(other.fence(&heir).expect("it is the newest"));
    assert_eq!(one.list().expect("a list"), [heir]);
}

#[test]
fn a_renewed_lease_lasts_and_tells_how_far_it_is() {
    let (one, other, clock) = two();
    let lease = grant(&one, &request("A", 0, 10, "one", 100));
    clock.advance(150);
    let renewed = one
        .renew(&lease, ns(100), Some(400))
        .expect("nobody has taken it over");
    assert_eq!((renewed.expires_at, renewed.completion_permille), (1_250, 400));
    assert!((renewed.completion_ratio() - 0.4).abs() < 1e-9);
    assert_eq!(other.list().expect("a list"), std::slice::from_ref(&renewed));
    let answer = other.claim(&request("A", 0, 10, "other", 1)).expect("an answer");
    assert_eq!(answer, Claim::Held(renewed));
    let again = one.renew(&lease, ns(1), None).expect("the epoch is what counts");
    assert_eq!((again.expires_at, again.completion_permille), (1_151, 400));
}

#[test]
fn a_range_is_free_after_complete_fail_and_release() {
    let (one, other, _) = two();
    let end: [fn(&Leases, &Lease); 3] = [
        |leases, lease| leases.complete(lease).expect("its own"),
        |leases, lease| leases.fail(lease, "no rows").expect("its own"),
        |leases, lease| assert_eq!(leases.release(lease.epoch).expect("it is there"), *lease),
    ];
    for end in end {
        let lease = grant(&one, &request("A", 0, 10, "one", 100));
        end(&one, &lease);
        assert_lost(one.fence(&lease));
        let next = grant(&other, &request("A", 0, 10, "other", 100));
        other.complete(&next).expect("its own");
        let error = one.release(lease.epoch).expect_err("it is over");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert!(one.list().expect("a list").is_empty());
}

#[test]
fn recover_ends_the_expired_ones_alone() {
    let (one, other, clock) = two();
    let dead = grant(&one, &request("A", 0, 10, "dead", 50));
    let alive = grant(&one, &request("A", 10, 20, "alive", 500));
    clock.advance(50);
    assert_eq!(other.recover().expect("recovers"), std::slice::from_ref(&dead));
    assert_lost(one.fence(&dead));
    drop(one.fence(&alive).expect("it is live"));
    assert!(one.recover().expect("recovers").is_empty());
}

#[test]
fn claims_of_a_batch_stand_in_each_others_way() {
    let (one, other, _) = two();
    let requests = [(0, 10), (5, 15), (10, 20)].map(|(start, end)| request("A", start, end, "one", 100));
    let [first, second, third] =
        <[Claim; 3]>::try_from(one.claim_many(&requests).expect("answers")).expect("three");
    let (first, third) = (first.granted().expect("free"), third.granted().expect("free"));
    assert_eq!(second, Claim::Held(first.clone()));
    assert_eq!(other.list().expect("a list"), [first, third]);
    assert!(one.claim_many(&[]).expect("answers").is_empty());
}

#[test]
fn a_request_that_cannot_be_right_is_refused_and_its_batch_with_it() {
    let (one, _, _) = two();
    let good = request("A", 0, 10, "one", 100);
    let bad = [
        request("A", 10, 10, "one", 100),
        request("A", 0, 10, "", 100),
        request("A", 0, 10, "one", 0),
        request(&"A".repeat(70_000), 0, 10, "one", 100),
        LeaseRequest {
            key: LeaseKey::new(None, -1, 0..1),
            ..good.clone()
        },
    ];
    for bad in bad {
        let error = one.claim_many(&[good.clone(), bad]).expect_err("it is wrong");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert!(one.list().expect("a list").is_empty());
    let lease = grant(&one, &good);
    let error = one.renew(&lease, ns(1), Some(1001)).expect_err("more than all");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[test]
fn times_at_the_ends_of_the_scale_do_not_overflow() {
    let (storage, clock) = (memory(), ManualClock::new(i64::MIN));
    let leases = open(&storage, &clock, NEVER_REPLACED);
    let all = LeaseRequest {
        key: LeaseKey::new(None, i64::MAX, i64::MIN..i64::MAX),
        ttl: std::time::Duration::MAX,
        ..request("A", 0, 1, "one", 1)
    };
    let first = grant(&leases, &all);
    assert_eq!((first.epoch, first.expires_at), (1, -1));
    clock.set(i64::MAX);
    let second = grant(&leases, &all);
    assert_eq!(second.epoch, i64::MAX as u64);
    assert_eq!(second.expires_at, i64::MAX);
}

#[test]
fn a_holder_without_a_name_is_this_process() {
    let holder = super::super::default_holder();
    let (host, process) = holder.rsplit_once(':').expect("a host and a process");
    assert!(!host.is_empty());
    assert_eq!(process, std::process::id().to_string());
}

#[test]
fn a_thread_with_a_fence_is_told_so_instead_of_waiting_for_itself() {
    let (one, _, _) = two();
    let a = grant(&one, &request("A", 0, 10, "one", 100));
    let b = grant(&one, &request("B", 0, 10, "one", 100));
    let (first, second) = (one.fence(&a).expect("its own"), one.fence(&b).expect("its own"));
    let error = one.complete(&a).expect_err("this thread has a fence");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    drop(first);
    assert!(one.complete(&a).is_err(), "it has another one");
    drop(second);
    one.complete(&a).expect("no fence is left");
}

#[test]
fn every_step_of_a_lease_is_told_under_the_names_that_dashboards_read() {
    let (one, _, _) = two();
    let events = events_of("lease", || {
        let mut wanted = request("A:1", 0, 10_000_000_000, "worker", 5_000_000);
        wanted.key = wanted.key.world("w").as_of(Some(2_000_000_000));
        let lease = grant(&one, &wanted);
        one.complete(&lease).expect("its own");
        let lease = grant(&one, &request("A:1", 0, 10, "worker", 5));
        one.fail(&lease, "source is down").expect("its own");
    });
    let names: Vec<&str> = events.iter().map(|fields| fields["message"].as_str()).collect();
    let name = |step| format!("seamless.backfill.coordinator_{step}");
    let expected = ["claimed", "completed", "claimed", "failed"].map(name);
    assert_eq!(names, expected);
    let expected = [
        ("coordinator_id", "000000000000000000000000000000db"),
        ("lease_key", "A%3A1:60ns:0:10:w:2"),
        ("node_id", "A:1"),
        ("interval", "60ns"),
        ("batch_start", "0"),
        ("batch_end", "10"),
        ("world", "w"),
        ("requested_as_of", "2"),
        ("worker", "worker"),
        ("lease_token", "1000"),
        ("lease_until_ms", "5"),
        ("completion_ratio", "1.0"),
        ("message", "seamless.backfill.coordinator_completed"),
        ("level", "INFO"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(events[1], Event::from(expected));
    assert_eq!(events[3]["reason"], "source is down");
    assert!(!events[3].contains_key("requested_as_of"));
}
