//! Structures whose checksum is right but whose parts do not agree are corrupt.

mod common;

use common::*;
use gapless_format::*;

/// Once, a sorted attribute with an index file passed for sized.
#[test]
fn an_attribute_has_an_index_file_unless_it_is_sorted() {
    for (column, kind, index_bytes) in [(0, AttributeKind::Sorted, 96), (1, AttributeKind::Parted, 0)] {
        let mut meta = segment_meta();
        meta.columns[column].attributes = vec![Attribute {
            kind,
            index_bytes,
            checksum: 0,
        }];
        let error = SegmentMeta::decode(&meta.encode()).unwrap_err();
        assert!(error.message.contains(kind.name()), "{error}");
    }
}

#[test]
fn a_segment_meta_that_contradicts_itself_is_corrupt() {
    type Break = (&'static str, fn(&mut SegmentMeta));
    let breaks: &[Break] = &[
        ("column id twice", |meta| meta.columns[3].column_id = 3),
        ("column name twice", |meta| meta.columns[3].name = "price".into()),
        ("time column missing", |meta| meta.time_column = 77),
        ("time column of another type", |meta| meta.time_column = 3),
        ("series column missing", |meta| meta.series_column = Some(77)),
        ("series without a column", |meta| meta.series_column = None),
        ("null code among the series", |meta| {
            meta.series |= roaring::RoaringBitmap::from([NULL_CODE])
        }),
        ("too many rows", |meta| meta.rows = 1 << 31),
        ("rows for another page", |meta| meta.rows = 200_000),
        ("times reversed", |meta| meta.min_time = 3_000),
        ("page missing", |meta| meta.columns[2].pages.truncate(1)),
        ("nulls do not add up", |meta| meta.columns[3].null_count = 1),
        ("more nulls than rows", |meta| {
            meta.columns[3].pages[1].null_count = 4_465
        }),
        ("bounds reversed", |meta| {
            meta.columns[2].pages[0].min = Bound::F64(1e9)
        }),
        ("bound NaN", |meta| {
            meta.columns[2].pages[0].min = Bound::F64(f64::NAN)
        }),
        ("bounds of two kinds", |meta| {
            meta.columns[2].pages[0].min = Bound::None
        }),
        ("bounds of another type", |meta| {
            meta.columns[2].pages[0].min = Bound::I64(1);
            meta.columns[2].pages[0].max = Bound::I64(1);
        }),
        ("NaN among times", |meta| meta.columns[0].pages[0].has_nan = true),
        ("values too small", |meta| meta.columns[2].values_bytes -= 1),
        ("values without a header", |meta| {
            meta.columns[3].values_bytes = 63
        }),
        ("text of 2 GiB", |meta| {
            meta.columns[3].values_bytes = 64 + (1 << 31)
        }),
        ("offsets missing", |meta| meta.columns[3].offsets_bytes = 0),
        ("offsets of numbers", |meta| {
            meta.columns[2].offsets_bytes = 64 + 4 * 70_001
        }),
        ("validity missing", |meta| meta.columns[3].validity_bytes = 0),
        ("validity too large", |meta| meta.columns[3].validity_bytes += 1),
        ("attribute twice", |meta| {
            let first = meta.columns[1].attributes[0];
            meta.columns[1].attributes.push(first);
        }),
    ];
    for (what, contradict) in breaks {
        let mut meta = segment_meta();
        contradict(&mut meta);
        let error = SegmentMeta::decode(&meta.encode()).expect_err(what);
        assert_eq!(error.kind, FormatErrorKind::Corrupt, "{what}: {error}");
    }
}

#[test]
fn a_record_that_contradicts_itself_is_corrupt() {
    type Break = (&'static str, fn(&mut Checkpoint));
    let breaks: &[Break] = &[
        ("table id twice", |it| it.tables[1].table = 3),
        ("table name twice", |it| it.tables[1].name = "trade".into()),
        ("table id not below the next", |it| it.next_table = 8),
        ("segment of no table", |it| it.segments[0].table = 5),
        ("segment id twice", |it| {
            it.segments[1].segment = it.segments[0].segment
        }),
        ("removed segment is live", |it| {
            it.removed[0].segment.segment = it.segments[0].segment
        }),
        ("coverage file twice", |it| {
            it.coverage[1].file = it.coverage[0].file
        }),
        ("removed coverage file is live", |it| {
            it.removed_coverage[0].coverage.file = it.coverage[0].file
        }),
        ("coverage file with the id of a segment", |it| {
            it.coverage[0].file = it.segments[0].segment
        }),
        ("removed coverage file with the id of a removed segment", |it| {
            it.removed_coverage[0].coverage.file = it.removed[0].segment.segment
        }),
        ("coverage of no table", |it| it.coverage[0].table = 5),
        ("coverage file that leads up", |it| {
            it.coverage[0].name = "c-/../..".into()
        }),
        ("coverage file of another kind", |it| {
            it.coverage[0].name = "s-1.cov".into()
        }),
        ("coverage file without a name", |it| {
            it.coverage[0].name = "c-".into()
        }),
        ("long name of a coverage file", |it| {
            it.coverage[0].name = format!("c-{}", "x".repeat(63))
        }),
        ("calendar twice", |it| it.calendars[1].name = "NYSE".into()),
        ("calendar of no table", |it| it.calendar_uses[0].table = 5),
        ("calendar that is not there", |it| {
            it.calendar_uses[0].calendar = Some("XETRA".into())
        }),
        ("two calendars of a series", |it| {
            it.calendar_uses.push(it.calendar_uses[0].clone())
        }),
        ("listing in no table", |it| it.listings[0].table = 5),
        ("two lives of a series", |it| it.listings.push(it.listings[0])),
        ("life that ends before it begins", |it| {
            it.listings[0].end = it.listings[0].start - 1
        }),
        ("domain twice", |it| it.domains[1].domain = "sym".into()),
        ("snapshot twice", |it| it.snapshots.push(it.snapshots[0].clone())),
        ("empty table name", |it| it.tables[0].name.clear()),
        ("column id twice", |it| it.tables[0].columns[2].column_id = 2),
        ("column name twice", |it| {
            it.tables[0].columns[2].name = "ts".into()
        }),
        ("column id not below the next", |it| {
            it.tables[0].next_column_id = 5
        }),
        ("unknown key column", |it| it.tables[0].key.push(4)),
        ("time column of another type", |it| it.tables[0].time_column = 2),
        ("series column of another type", |it| {
            it.tables[0].series_column = Some(5)
        }),
        ("directory that leads up", |it| {
            it.segments[0].directory = "s-/../..".into()
        }),
        ("directory of another kind", |it| {
            it.segments[0].directory = "x-1".into()
        }),
        ("empty directory", |it| it.segments[0].directory.clear()),
        ("long directory", |it| {
            it.segments[0].directory = format!("s-{}", "0".repeat(63))
        }),
        ("domain file that leads up", |it| {
            it.domains[0].file = "../sym".into()
        }),
        ("partition off the day", |it| it.segments[0].partition.start += 1),
        ("time before the partition", |it| {
            it.segments[0].min_time = it.segments[0].partition.start - 1
        }),
        ("time behind the partition", |it| {
            it.segments[0].max_time = it.segments[0].partition.end()
        }),
        ("times reversed", |it| {
            it.segments[0].min_time = it.segments[0].max_time + 1
        }),
        ("commits reversed", |it| {
            it.segments[0].first_commit = it.segments[0].last_commit + 1
        }),
        ("stream twice", |it| it.streams.push(it.streams[0])),
        ("deletion twice", |it| it.deletions.push(it.deletions[0].clone())),
        ("deletion in no table", |it| it.deletions[0].table = 5),
        ("times of a deletion reversed", |it| {
            it.deletions[0].start = it.deletions[0].end + 1
        }),
        ("series of a deletion out of order", |it| {
            it.deletions[0].series = Some(vec![9, 7])
        }),
    ];
    for (what, contradict) in breaks {
        let mut it = checkpoint(2);
        contradict(&mut it);
        let error = decode_record(&encode_record(1, 2, &RecordBody::Checkpoint(it)), 0).expect_err(what);
        assert_eq!(error.kind, FormatErrorKind::Corrupt, "{what}: {error}");
    }
}

/// Encodes ranges as they are given, which is what a forger would do.
#[test]
fn coverage_keys_and_ranges_out_of_order_are_corrupt() {
    type Break = (
        &'static str,
        fn(&mut Vec<(CoverageKey, Vec<CoverageRecord<'static>>)>),
    );
    let breaks: &[Break] = &[
        ("keys reversed", |keys| keys.swap(1, 2)),
        ("one key of a series before the one of all", |keys| {
            keys.swap(0, 1)
        }),
        ("a key twice", |keys| keys[3].0 = keys[2].0),
        ("ranges reversed", |keys| keys[1].1.swap(2, 3)),
        ("a range twice", |keys| keys[1].1[3] = keys[1].1[2]),
        ("ranges that overlap", |keys| {
            keys[1].1[2].end = keys[1].1[3].start + 1
        }),
        ("a range without time", |keys| {
            keys[0].1[0].end = keys[0].1[0].start
        }),
        ("a range that ends before it begins", |keys| {
            keys[3].1[0].end = keys[3].1[0].start - 1
        }),
        ("an interval that is none", |keys| keys[3].0.interval = Some(-2)),
    ];
    for (what, contradict) in breaks {
        let mut keys = coverage_keys();
        contradict(&mut keys);
        let error = CoverageFile::parse(&encode_coverage_file(1, 2, &keys)).expect_err(what);
        assert_eq!(error.kind, FormatErrorKind::Corrupt, "{what}: {error}");
    }
}

#[test]
fn a_coverage_file_that_does_not_add_up_is_corrupt() {
    let sample = coverage_file();
    let ranges: usize = coverage_keys().iter().map(|(_, ranges)| ranges.len()).sum();
    let columns = 64 + 4 * 24;
    let sources = columns + 7 * 8 * ranges;
    let ends = columns + 65 * ranges;
    let places: &[(&str, usize, u8)] = &[
        ("a code of every series", 64, 7),
        ("a flag that is none", 64 + 4, 2),
        ("a key without ranges", 64 + 24 + 16, 1),
        ("more ranges than there are", 64 + 3 * 24 + 16, 99),
        ("fewer ranges than there are", 64 + 3 * 24 + 16, ranges as u8 - 1),
        ("a source that is no text", sources, 3),
        ("a batch that is no text", sources + 4 * ranges, 3),
        ("a text that ends inside a character", ends, 2),
        ("texts that end in no order", ends, 17),
        ("texts that end before the text does", ends + 8, 15),
        ("text that is not UTF-8", ends + 12, 0xFF),
        ("a count of keys", 12, 3),
        ("a count of ranges", 40, ranges as u8 - 1),
        ("a count of texts", 48, 2),
        ("a length of the text", 52, 15),
    ];
    for (what, at, value) in places {
        let mut bytes = sample.clone();
        bytes[*at] = *value;
        let end = bytes.len() - 8;
        let sum = checksum(&bytes[..end]);
        bytes[end..].copy_from_slice(&sum.to_le_bytes());
        let error = CoverageFile::parse(&bytes).expect_err(what);
        assert_eq!(error.kind, FormatErrorKind::Corrupt, "{what}: {error}");
    }
}

/// Once the flags stood in another order than in a statement, and a name without its flag was dropped silently.
#[test]
fn the_use_of_a_calendar_says_nothing_where_its_flags_say_nothing() {
    let it = EditItem::UseCalendar(calendar_use(3, Some("NYSE")));
    let sample = encode_record(1, 2, &RecordBody::Edit(vec![it]));
    for flag in [24 + 8 + 8, 24 + 8 + 9] {
        let mut bytes = sample.clone();
        bytes[flag] = 0;
        let end = bytes.len() - 8;
        let sum = checksum(&bytes[..end]);
        bytes[end..].copy_from_slice(&sum.to_le_bytes());
        let error = decode_record(&bytes, 0).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::Corrupt, "{error}");
    }
}
