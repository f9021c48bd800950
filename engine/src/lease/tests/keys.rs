//! A printed key is parsed back, whatever the symbol holds. Keys that were cut at colons once named the wrong series.

use proptest::prelude::*;

use super::super::LeaseKey;
use crate::error::ErrorKind;

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[:%0-9A-F a-z\n]{0,8}"]
}

fn times() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        (-2_000i64..2_000).prop_map(|seconds| seconds * 1_000_000_000)
    ]
}

proptest! {
    #[test]
    fn every_printed_key_is_parsed_back(
        series in prop::option::of(texts()),
        interval in times(),
        start in times(),
        end in times(),
        world in texts(),
        as_of in prop::option::of(times()),
    ) {
        let key = LeaseKey { series, interval, start, end, world, as_of };
        let printed = key.to_string();
        prop_assert_eq!(printed.matches(':').count(), 5, "{}", printed);
        prop_assert!(!printed.contains(char::is_control));
        prop_assert_eq!(printed.parse::<LeaseKey>().expect("it was printed"), key);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[:%a-z0-9\u{e4}-]{0,30}|.*") {
        if let Ok(key) = text.parse::<LeaseKey>() {
            prop_assert_eq!(key.to_string().parse::<LeaseKey>().expect("it was printed"), key);
        }
    }
}

#[test]
fn whole_seconds_are_printed_as_such_and_missing_parts_stay_apart() {
    let key = LeaseKey::new(Some("blake3:7f%"), 60_000_000_000, -1_000_000_000..1_500_000_000)
        .world("a:b")
        .as_of(Some(7_000_000_000));
    assert_eq!(key.to_string(), "blake3%3A7f%25:60:-1:1500000000ns:a%3Ab:7");
    assert_eq!(LeaseKey::new(None, 0, 0..1).to_string(), ":0:0:1ns::");
    assert_eq!(LeaseKey::new(Some(""), 0, 0..1).to_string(), "%:0:0:1ns::");
}

#[test]
fn a_text_that_is_no_key_is_refused_and_quoted() {
    let bad = [
        "",
        "a:60:0:1:w",
        "a:60:0:1:w::",
        "a:b:60:0:1:w:",
        "a:60:0:9223372037:w:",
        "a%3:60:0:1:w:",
        "a%zz:60:0:1:w:",
        "a%+1:60:0:1:w:",
        "%FF:60:0:1:w:",
        "a::0:1:w:",
        "a:60:0:1:%:",
    ];
    for text in bad {
        let error = text.parse::<LeaseKey>().expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
    }
}
