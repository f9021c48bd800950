//! FORMAT.md against the encoders: every table's offsets, sizes, magics and tags.
//!
//! Each layout of the page is written a second time here, field by field, from a sample with distinctive values.
//! The bytes must be the encoder's, and cut where the page says.
//!
//! Long because every layout of FORMAT.md is written here a second time, field by field.

mod common;

use common::*;
use gapless_format::*;
use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = include_str!("../FORMAT.md");

type Field = (&'static str, Vec<u8>);

/// The table behind each `<!-- kind: name -->`, as rows of cells, header lines left out.
fn tables(kind: &str) -> BTreeMap<String, Vec<Vec<String>>> {
    let start = format!("<!-- {kind}: ");
    let mut tables = BTreeMap::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line
            .strip_prefix(&start)
            .and_then(|rest| rest.strip_suffix(" -->"))
        else {
            continue;
        };
        let rows = lines.by_ref().take_while(|line| line.starts_with('|')).skip(2);
        let cells = |row: &str| {
            row.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        };
        let double = tables.insert(name.to_owned(), rows.map(cells).collect());
        assert!(double.is_none(), "{name} stands twice on the page");
    }
    tables
}

fn le(value: impl Into<u128>, width: usize) -> Vec<u8> {
    value.into().to_le_bytes()[..width].to_vec()
}

fn string(text: &str) -> Vec<u8> {
    [le(text.len() as u32, 4), text.as_bytes().to_vec()].concat()
}

fn words<T: Copy + Into<u128>>(values: &[T], width: usize) -> Vec<u8> {
    values.iter().flat_map(|&value| le(value, width)).collect()
}

fn join(fields: &[Field]) -> Vec<u8> {
    fields.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
}

fn prelude(magic: &[u8; 8]) -> Vec<Field> {
    vec![
        ("magic", magic.to_vec()),
        ("major", le(1_u16, 2)),
        ("minor", le(0_u16, 2)),
    ]
}

/// Appends the checksum of the fields before.
fn sealed(mut fields: Vec<Field>) -> Vec<Field> {
    let sum = checksum(&join(&fields));
    fields.push(("checksum", le(sum, 8)));
    fields
}

fn type_bytes(column_type: &ColumnType) -> Vec<u8> {
    let mut writer = Writer::new();
    column_type.encode(&mut writer);
    writer.into_vec()
}

fn bitmap_bytes(bitmap: &roaring::RoaringBitmap) -> Vec<u8> {
    let mut bytes = Vec::new();
    bitmap.serialize_into(&mut bytes).unwrap();
    bytes
}

/// The items of a record, cut out of it.
fn items_of(record: &[u8]) -> Vec<u8> {
    record[24..record.len() - 8].to_vec()
}

/// The payload of an edit's only item.
fn payload(item: EditItem) -> Vec<u8> {
    items_of(&encode_record(1, 2, &RecordBody::Edit(vec![item])))[8..].to_vec()
}

fn segment_ref_fields(segment: &SegmentRef) -> Vec<Field> {
    vec![
        ("table", le(segment.table, 4)),
        ("segment", le(segment.segment, 8)),
        ("partition unit", vec![segment.partition.unit.tag()]),
        ("partition start", segment.partition.start.to_le_bytes().to_vec()),
        ("rows", le(segment.rows, 8)),
        ("min time", segment.min_time.to_le_bytes().to_vec()),
        ("max time", segment.max_time.to_le_bytes().to_vec()),
        ("bytes", le(segment.bytes, 8)),
        ("meta length", le(segment.meta_len, 8)),
        ("meta checksum", le(segment.meta_checksum, 8)),
        ("created", le(segment.created, 8)),
        ("first commit", segment.first_commit.to_le_bytes().to_vec()),
        ("last commit", segment.last_commit.to_le_bytes().to_vec()),
        ("origin", vec![segment.origin.tag()]),
        ("stream", le(segment.stream, 8)),
        ("directory", string(&segment.directory)),
    ]
}

fn column_spec_fields(column: &ColumnSpec) -> Vec<Field> {
    vec![
        ("column", le(column.column_id, 4)),
        ("name", string(&column.name)),
        ("type", type_bytes(&column.column_type)),
        ("nullable", vec![u8::from(column.nullable)]),
        ("attribute count", le(column.attributes.len() as u32, 4)),
        (
            "attributes",
            column
                .attributes
                .iter()
                .map(|attribute| attribute.tag())
                .collect(),
        ),
    ]
}

fn table_fields(table: &TableMeta) -> Vec<Field> {
    let columns = table
        .columns
        .iter()
        .flat_map(|column| join(&column_spec_fields(column)));
    let options = table
        .options
        .iter()
        .flat_map(|(name, value)| [string(name), string(value)].concat());
    vec![
        ("table", le(table.table, 4)),
        ("created", le(table.created, 8)),
        ("time column", le(table.time_column, 4)),
        ("series column", le(table.series_column.unwrap(), 4)),
        ("partition unit", vec![table.partition_unit.tag()]),
        ("keep", vec![table.keep.tag()]),
        ("next column", le(table.next_column_id, 4)),
        ("name", string(&table.name)),
        ("column count", le(table.columns.len() as u32, 4)),
        ("columns", columns.collect()),
        ("key length", le(table.key.len() as u32, 4)),
        ("key", words(&table.key, 4)),
        ("option count", le(table.options.len() as u32, 4)),
        ("options", options.collect()),
    ]
}

fn page_fields(page: &PageStats) -> Vec<Field> {
    let bits = |bound| match bound {
        Bound::None => le(0_u8, 16),
        Bound::I64(value) => le(value as u64, 16),
        Bound::U64(value) => le(value, 16),
        Bound::F64(value) => le(value.to_bits(), 16),
        Bound::I128(value) => le(value as u128, 16),
    };
    vec![
        ("min kind", vec![page.min.tag()]),
        ("max kind", vec![page.max.tag()]),
        ("has NaN", vec![u8::from(page.has_nan)]),
        ("reserved", vec![0]),
        ("null count", le(page.null_count, 4)),
        ("values checksum", le(page.checksum, 8)),
        ("offsets checksum", le(page.offsets_checksum, 8)),
        ("validity checksum", le(page.validity_checksum, 8)),
        ("min", bits(page.min)),
        ("max", bits(page.max)),
    ]
}

fn attribute_fields(attribute: &Attribute) -> Vec<Field> {
    vec![
        ("kind", vec![attribute.kind.tag()]),
        ("index bytes", le(attribute.index_bytes, 8)),
        ("index checksum", le(attribute.checksum, 8)),
    ]
}

fn column_fields(column: &ColumnMeta) -> Vec<Field> {
    vec![
        ("column", le(column.column_id, 4)),
        ("name", string(&column.name)),
        ("type", type_bytes(&column.column_type)),
        ("encoding", vec![column.encoding.tag()]),
        ("null count", le(column.null_count, 8)),
        ("values bytes", le(column.values_bytes, 8)),
        ("offsets bytes", le(column.offsets_bytes, 8)),
        ("validity bytes", le(column.validity_bytes, 8)),
        ("attribute count", le(column.attributes.len() as u32, 4)),
        (
            "attributes",
            column
                .attributes
                .iter()
                .flat_map(|it| join(&attribute_fields(it)))
                .collect(),
        ),
        ("page count", le(column.pages.len() as u32, 4)),
        (
            "pages",
            column
                .pages
                .iter()
                .flat_map(|page| join(&page_fields(page)))
                .collect(),
        ),
        (
            "encoded pages",
            column
                .encoded
                .iter()
                .flat_map(|page| join(&encoded_fields(page)))
                .collect(),
        ),
    ]
}

fn encoded_fields(page: &EncodedPage) -> Vec<Field> {
    vec![
        ("values codec", vec![page.values.codec.tag()]),
        ("offsets codec", vec![page.offsets.codec.tag()]),
        ("validity codec", vec![page.validity.codec.tag()]),
        ("packed", vec![u8::from(page.packed)]),
        ("offsets length", le(page.offsets.len, 4)),
        ("validity length", le(page.validity.len, 4)),
        ("values length", le(page.values.len, 8)),
        ("decoded length", le(page.decoded_len, 8)),
    ]
}

fn item_fields(tag: u16, payload: Vec<u8>) -> Vec<Field> {
    vec![
        ("tag", le(tag, 2)),
        ("flags", le(1_u16, 2)),
        ("length", le(payload.len() as u32, 4)),
        ("payload", payload),
    ]
}

/// Every layout: its fields, and the encoder's bytes for the same values.
type Layouts = BTreeMap<&'static str, (Vec<Field>, Vec<u8>)>;

fn small_files(layouts: &mut Layouts) {
    let database = 0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10_u128;
    let mut fields = prelude(b"GAPLESS\0");
    fields.extend([
        ("reserved", vec![0; 4]),
        ("database", le(database, 16)),
        ("reserved", vec![0; 24]),
    ]);
    layouts.insert(
        "identity",
        (sealed(fields), Identity::new(database).encode().into()),
    );

    let fields = vec![
        ("magic", b"GAPLCURR".to_vec()),
        ("log", le(7_u8, 8)),
        ("reserved", vec![0; 8]),
    ];
    layouts.insert("current", (sealed(fields), Current { log: 7 }.encode().into()));

    let tail = Tail {
        log: 0x71,
        committed_len: 0x7273,
        suspect: true,
    };
    let fields = vec![
        ("magic", b"GAPLTAIL".to_vec()),
        ("log", le(0x71_u8, 8)),
        ("committed length", le(0x8000_0000_0000_7273_u64, 8)),
    ];
    layouts.insert("tail", (sealed(fields), tail.encode().into()));

    let fields = vec![
        ("magic", b"GAPLPIN\0".to_vec()),
        ("version", le(9_u8, 8)),
        ("reserved", vec![0; 8]),
    ];
    layouts.insert("pin", (sealed(fields), Pin { version: 9 }.encode().into()));

    let log = LogHeader {
        number: 0x8182,
        database,
    };
    let mut fields = prelude(b"GAPLMANI");
    fields.extend([
        ("reserved", vec![0; 4]),
        ("number", le(0x8182_u16, 8)),
        ("database", le(database, 16)),
        ("reserved", vec![0; 16]),
    ]);
    layouts.insert("log header", (sealed(fields), log.encode().into()));
}

fn manifest(layouts: &mut Layouts) {
    let record = encode_record(0x9192, 0x9394, &RecordBody::Edit(edit_items()));
    let fields = vec![
        ("length", le(record.len() as u32, 4)),
        ("kind", le(2_u8, 4)),
        ("version", le(0x9192_u16, 8)),
        ("committed at", le(0x9394_u16, 8)),
        ("items", items_of(&record)),
    ];
    layouts.insert("record", (sealed(fields), record));

    let dropped = encode_record(1, 2, &RecordBody::Edit(vec![EditItem::DropTable { table: 4 }]));
    layouts.insert("item", (item_fields(7, le(4_u8, 4)), items_of(&dropped)));

    let empty = Checkpoint {
        next_table: 0xA1A2,
        ..Checkpoint::default()
    };
    let record = encode_record(1, 2, &RecordBody::Checkpoint(empty));
    assert_eq!(record[4], 1, "kind of a checkpoint");
    layouts.insert(
        "counters",
        (
            vec![("next table", le(0xA1A2_u16, 4))],
            items_of(&record)[8..].to_vec(),
        ),
    );
    let written = WrittenBytes {
        log: 0xA1,
        bulk: 0xA2,
        flushed: 0xA3,
        compacted: 0xA4,
    };
    let record = encode_record(
        1,
        2,
        &RecordBody::Checkpoint(Checkpoint {
            written,
            ..Checkpoint::default()
        }),
    );
    layouts.insert(
        "written",
        (
            vec![
                ("log", le(0xA1_u8, 8)),
                ("bulk", le(0xA2_u8, 8)),
                ("flushed", le(0xA3_u8, 8)),
                ("compacted", le(0xA4_u8, 8)),
            ],
            items_of(&record)[12 + 8..].to_vec(),
        ),
    );

    let table = table_meta(3, "trade");
    let column = &table.columns[1];
    let whole = payload(EditItem::CreateTable(table.clone()));
    let one = TableMeta {
        columns: vec![column.clone()],
        ..table.clone()
    };
    let start = 26 + 4 + table.name.len() + 4;
    let bytes = payload(EditItem::CreateTable(one));
    let tail = 4 + table.key.len() * 4 + 4 + join(&[table_fields(&table).pop().unwrap()]).len();
    let column_bytes = bytes[start..bytes.len() - tail].to_vec();
    layouts.insert("column of a table", (column_spec_fields(column), column_bytes));
    layouts.insert("table", (table_fields(&table), whole));

    let segment = segment_ref(3, 18);
    layouts.insert(
        "segment reference",
        (
            segment_ref_fields(&segment),
            payload(EditItem::AddSegment(segment)),
        ),
    );

    let removed = removed_segment(17);
    let fields = vec![
        ("removed", le(removed.removed, 8)),
        ("table name", string(&removed.table_name)),
        ("segment", join(&segment_ref_fields(&removed.segment))),
    ];
    let record = encode_record(
        1,
        2,
        &RecordBody::Checkpoint(Checkpoint {
            removed: vec![removed],
            ..Checkpoint::default()
        }),
    );
    layouts.insert("removed segment", (fields, items_of(&record)[12 + 8..].to_vec()));

    let domain = domain_meta("exchange/code");
    let fields = vec![
        ("committed length", le(domain.committed_len, 8)),
        ("symbols", le(domain.symbols, 4)),
        ("chain", le(domain.chain, 8)),
        ("domain", string("exchange/code")),
        ("file", string("exchange%2Fcode")),
    ];
    layouts.insert("domain", (fields, payload(EditItem::GrowDomain(domain))));

    let fields = vec![("version", le(0xB1_u8, 8)), ("name", string("month-end"))];
    let create = EditItem::CreateSnapshot {
        name: "month-end".into(),
        version: 0xB1,
    };
    layouts.insert("snapshot", (fields, payload(create)));
    layouts.insert(
        "drop table",
        (
            vec![("table", le(4_u8, 4))],
            payload(EditItem::DropTable { table: 4 }),
        ),
    );
    let fields = vec![("table", le(4_u8, 4)), ("segment", le(0xB2_u8, 8))];
    layouts.insert(
        "remove segment",
        (
            fields,
            payload(EditItem::RemoveSegment {
                table: 4,
                segment: 0xB2,
            }),
        ),
    );
    let drop = EditItem::DropSnapshot {
        name: "month-end".into(),
    };
    layouts.insert(
        "drop snapshot",
        (vec![("name", string("month-end"))], payload(drop)),
    );
    let fields = vec![("count", le(2_u8, 4)), ("segments", words(&[0xB3_u8, 0xB4], 8))];
    layouts.insert(
        "purged",
        (
            fields,
            payload(EditItem::Purged {
                segments: vec![0xB3, 0xB4],
            }),
        ),
    );
}

/// Streams and deletions in the manifest.
fn streams(layouts: &mut Layouts) {
    let stream = stream_meta(0xB5);
    let fields = vec![
        ("stream", le(0xB5_u8, 8)),
        ("checkpoint", le(stream.checkpoint, 8)),
        ("flushed", stream.flushed.to_le_bytes().to_vec()),
    ];
    layouts.insert("stream", (fields, payload(EditItem::Stream(stream))));
    layouts.insert(
        "end stream",
        (
            vec![("stream", le(0xB6_u8, 8))],
            payload(EditItem::EndStream { stream: 0xB6 }),
        ),
    );

    let it = deletion(3);
    let codes = it.series.clone().unwrap();
    let fields = vec![
        ("deletion", le(it.deletion, 8)),
        ("table", le(it.table, 4)),
        ("start", it.start.to_le_bytes().to_vec()),
        ("end", it.end.to_le_bytes().to_vec()),
        ("commit", it.commit.to_le_bytes().to_vec()),
        ("has series", vec![1]),
        ("count", le(codes.len() as u32, 4)),
        ("series", words(&codes, 4)),
    ];
    let bytes = payload(EditItem::Delete(it.clone()));
    assert_eq!(wal_deletion(&it)[8..], bytes, "the same bytes in a log");
    layouts.insert("deletion", (fields, bytes));
    layouts.insert(
        "drop deletion",
        (
            vec![("deletion", le(0xB7_u8, 8))],
            payload(EditItem::DropDeletion { deletion: 0xB7 }),
        ),
    );
}

fn coverage_ref_fields(file: &CoverageRef) -> Vec<Field> {
    vec![
        ("table", le(file.table, 4)),
        ("file", le(file.file, 8)),
        ("bytes", le(file.bytes, 8)),
        ("checksum", le(file.checksum, 8)),
        ("ranges", le(file.ranges, 8)),
        ("created", le(file.created, 8)),
        ("commit", file.commit.to_le_bytes().to_vec()),
        ("name", string(&file.name)),
    ]
}

/// Coverage files and calendars in the manifest.
fn coverage_in_the_manifest(layouts: &mut Layouts) {
    let file = coverage_ref(3, 0xB8);
    layouts.insert(
        "coverage reference",
        (coverage_ref_fields(&file), payload(EditItem::AddCoverage(file))),
    );
    let removed = removed_coverage(0xB9);
    let fields = vec![
        ("removed", le(removed.removed, 8)),
        ("table name", string(&removed.table_name)),
        ("file", join(&coverage_ref_fields(&removed.coverage))),
    ];
    let record = encode_record(
        1,
        2,
        &RecordBody::Checkpoint(Checkpoint {
            removed_coverage: vec![removed],
            ..Checkpoint::default()
        }),
    );
    layouts.insert("removed coverage", (fields, items_of(&record)[12 + 8..].to_vec()));
    let fields = vec![("table", le(4_u8, 4)), ("file", le(0xBA_u8, 8))];
    let remove = EditItem::RemoveCoverage { table: 4, file: 0xBA };
    layouts.insert("remove coverage", (fields, payload(remove)));

    let it = calendar("große Börse");
    let fields = vec![
        ("changed", le(it.changed, 8)),
        ("name", string(&it.name)),
        ("text", string(&it.text)),
    ];
    layouts.insert("calendar", (fields, payload(EditItem::Calendar(it))));
    let drop = EditItem::DropCalendar { name: "NYSE".into() };
    layouts.insert("drop calendar", (vec![("name", string("NYSE"))], payload(drop)));
    let it = calendar_use(3, Some("NYSE"));
    let fields = vec![
        ("table", le(it.table, 4)),
        ("series", le(it.series.unwrap(), 4)),
        ("has series", vec![1]),
        ("has calendar", vec![1]),
        ("calendar", string("NYSE")),
    ];
    layouts.insert("use of a calendar", (fields, payload(EditItem::UseCalendar(it))));
    let it = listing(3);
    let fields = vec![
        ("table", le(it.table, 4)),
        ("series", le(it.series, 4)),
        ("start", it.start.to_le_bytes().to_vec()),
        ("end", it.end.to_le_bytes().to_vec()),
    ];
    layouts.insert("listing", (fields, payload(EditItem::Listing(it))));
}

fn coverage_files(layouts: &mut Layouts) {
    let keys = coverage_keys();
    let ranges: Vec<_> = keys.iter().flat_map(|(_, ranges)| ranges).collect();
    // In the order in which the ranges name them, sources before batches.
    let texts = ["börse", "2026-11-20", ""];
    let id = |text: &str| texts.iter().position(|it| *it == text).unwrap() as u32;
    let (mut end, mut in_keys) = (0_u64, Vec::new());
    for (key, ranges) in &keys {
        end += ranges.len() as u64;
        let fields = vec![
            ("series", le(key.series.unwrap_or(u32::MAX), 4)),
            ("has series", vec![u8::from(key.series.is_some())]),
            ("reserved", vec![0; 3]),
            ("interval", key.interval.unwrap_or(-1).to_le_bytes().to_vec()),
            ("end", le(end, 8)),
        ];
        in_keys.extend(join(&fields));
        layouts.insert("coverage key", (fields, in_keys[in_keys.len() - 24..].to_vec()));
    }
    let signed = |of: fn(&CoverageRecord<'_>) -> i64| -> Vec<u8> {
        ranges.iter().flat_map(|range| of(range).to_le_bytes()).collect()
    };
    let unsigned = |of: fn(&CoverageRecord<'_>) -> u64| -> Vec<u8> {
        ranges.iter().flat_map(|range| of(range).to_le_bytes()).collect()
    };
    let ids = |of: fn(&CoverageRecord<'static>) -> &'static str| -> Vec<u8> {
        ranges
            .iter()
            .flat_map(|range| id(of(range)).to_le_bytes())
            .collect()
    };
    let text = texts.concat().into_bytes();
    let mut fields = prelude(b"GAPLCOV\0");
    fields.extend([
        ("key count", le(keys.len() as u32, 4)),
        ("database", le(COVERAGE_DATABASE, 16)),
        ("file", le(0x4142_4344_4546_4748_u64, 8)),
        ("range count", le(ranges.len() as u64, 8)),
        ("text count", le(3_u8, 4)),
        ("text length", le(text.len() as u32, 4)),
        ("reserved", vec![0; 8]),
        ("keys", in_keys),
        ("starts", signed(|range| range.start)),
        ("ends", signed(|range| range.end)),
        ("first commits", signed(|range| range.first_commit)),
        ("commits", signed(|range| range.commit)),
        ("rows", unsigned(|range| range.rows.unwrap_or(u64::MAX))),
        ("contents", unsigned(|range| range.content)),
        ("fetch times", signed(|range| range.fetched_at)),
        ("sources", ids(|range| range.source)),
        ("batches", ids(|range| range.batch)),
        ("states", ranges.iter().map(|range| range.state.tag()).collect()),
        ("text ends", words(&[6_u8, 16, 16], 4)),
        ("text", text),
    ]);
    layouts.insert("coverage file", (sealed(fields), coverage_file()));
}

fn packed_fields(narrow: u8, base: i64, numbers: &[u8]) -> Vec<Field> {
    let numbers = [le(numbers.len() as u32, 4), numbers.to_vec()].concat();
    vec![
        ("narrow", vec![narrow]),
        ("base", base.to_le_bytes().to_vec()),
        ("numbers", numbers),
    ]
}

/// The write-ahead log.
fn write_ahead_log(layouts: &mut Layouts) {
    let header = wal_header();
    let mut fields = prelude(b"GAPLWAL\0");
    fields.extend([
        ("reserved", vec![0; 4]),
        ("stream", le(header.stream, 8)),
        ("first lsn", le(header.first_lsn, 8)),
        ("database", le(header.database, 16)),
        ("reserved", vec![0; 8]),
    ]);
    layouts.insert("wal header", (sealed(fields), header.encode()));

    let body = wal_body();
    let mut fields = vec![
        ("length", le(40 + body.len() as u32, 4)),
        ("kind", le(1_u8, 4)),
        ("lsn", le(0xF1_u8, 8)),
        ("commit", le(0xF2_u8, 8)),
        ("body checksum", le(checksum(&body), 8)),
    ];
    let sum = checksum(&join(&fields));
    fields.extend([("header checksum", le(sum, 8)), ("items", body.clone())]);
    layouts.insert("log record", (fields, wal_record(0xF1, 0xF2, &body)));

    let it = coverage();
    let fields = vec![
        ("table", le(it.table, 4)),
        ("series", le(it.series.unwrap(), 4)),
        ("has series", vec![1]),
        ("interval", it.interval.unwrap().to_le_bytes().to_vec()),
        ("start", it.start.to_le_bytes().to_vec()),
        ("end", it.end.to_le_bytes().to_vec()),
        ("state", vec![it.state.tag()]),
        ("rows", le(it.rows.unwrap(), 8)),
        ("content", le(it.content, 8)),
        ("fetched at", it.fetched_at.to_le_bytes().to_vec()),
        ("source", string(&it.source)),
        ("batch", string(&it.batch)),
    ];
    layouts.insert("coverage", (fields, wal_coverage(&it)[8..].to_vec()));
    rows_of_a_log(layouts);
}

/// Rows: a list of two-byte numbers has every field.
fn rows_of_a_log(layouts: &mut Layouts) {
    let column = Rows {
        column_id: 0xF3,
        column_type: ColumnType::List(Number::I16),
        validity: Some(vec![0b101]),
        lengths: Some(words(&[300_u32, 299, 301], 4)),
        values: vec![7; 2 * 900],
    };
    let lengths = packed_fields(1, 299, &[1, 0, 2]);
    let values = [vec![0], le(1800_u16, 4), column.values.clone()].concat();
    let fields = vec![
        ("column", le(0xF3_u8, 4)),
        ("type", type_bytes(&column.column_type)),
        ("has validity", vec![1]),
        ("validity", vec![0b101]),
        ("lengths", join(&lengths)),
        ("values", values),
    ];
    let bytes = wal_rows(0xF4, 3, std::slice::from_ref(&column))[8..].to_vec();
    // Behind the count of columns, the type and the flag with one byte of validity.
    let at = 12 + 4 + 2 + 1 + 1;
    let lengths_bytes = bytes[at..at + join(&lengths).len()].to_vec();
    layouts.insert("packed numbers", (lengths, lengths_bytes));
    let all = vec![
        ("table", le(0xF4_u8, 4)),
        ("rows", le(3_u8, 4)),
        ("column count", le(1_u8, 4)),
        ("columns", join(&fields)),
    ];
    layouts.insert("rows", (all, bytes.clone()));
    layouts.insert("column of rows", (fields, bytes[12..].to_vec()));
}

fn lease_fields(lease: &LeaseRecord) -> Vec<Field> {
    vec![
        ("epoch", le(lease.epoch, 8)),
        ("table", le(lease.table, 4)),
        ("interval", lease.interval.to_le_bytes().to_vec()),
        ("start", lease.start.to_le_bytes().to_vec()),
        ("end", lease.end.to_le_bytes().to_vec()),
        ("claimed at", lease.claimed_at.to_le_bytes().to_vec()),
        ("expires at", lease.expires_at.to_le_bytes().to_vec()),
        ("completion", le(lease.completion_permille, 2)),
        ("has as of", vec![1]),
        ("as of", lease.as_of.unwrap().to_le_bytes().to_vec()),
        ("has series", vec![1]),
        ("series", string(lease.series.as_deref().unwrap())),
        ("world", string(&lease.world)),
        ("holder", string(&lease.holder)),
        ("batch", string(&lease.batch)),
    ]
}

/// The items of a lease record, cut out of it.
fn lease_items_of(items: &[LeaseItem]) -> Vec<u8> {
    let (record, _) = encode_lease_record(1, items);
    record[16..record.len() - 8].to_vec()
}

fn leases(layouts: &mut Layouts) {
    let header = LeaseLogHeader {
        database: 0x7172,
        last_epoch: 0x7374,
    };
    let mut fields = prelude(b"GAPLLEAS");
    fields.extend([
        ("reserved", vec![0; 4]),
        ("database", le(0x7172_u16, 16)),
        ("last epoch", le(0x7374_u16, 8)),
        ("reserved", vec![0; 16]),
    ]);
    layouts.insert("lease header", (sealed(fields), header.encode().0.into()));

    let (record, chain) = encode_lease_record(0x7576, &lease_items());
    assert_eq!(
        record[record.len() - 8..],
        chain.to_le_bytes(),
        "the chain is the checksum"
    );
    let fields = vec![
        ("length", le(record.len() as u32, 4)),
        ("kind", le(1_u8, 4)),
        ("chain", le(0x7576_u16, 8)),
        ("items", lease_items_of(&lease_items())),
    ];
    layouts.insert("lease record", (sealed(fields), record));

    let claim = lease_items_of(&[LeaseItem::Claim(lease_record())]);
    layouts.insert("claim", (lease_fields(&lease_record()), claim[8..].to_vec()));
    let fields = vec![
        ("epoch", le(0x7778_u16, 8)),
        ("expires at", le(0x797A_u16, 8)),
        ("completion", le(517_u16, 2)),
    ];
    let renewal = LeaseItem::Renew {
        epoch: 0x7778,
        expires_at: 0x797A,
        completion_permille: 517,
    };
    layouts.insert("renewal", (fields, lease_items_of(&[renewal])[8..].to_vec()));
    let fields = vec![("epoch", le(0x7B_u8, 8)), ("how", vec![2])];
    let end = LeaseItem::End {
        epoch: 0x7B,
        how: LeaseEnd::Failed,
    };
    layouts.insert("end of a lease", (fields, lease_items_of(&[end])[8..].to_vec()));
}

fn symbol_file(layouts: &mut Layouts) {
    let header = SymbolFileHeader {
        domain: "größe".into(),
        database: 0xC1C2,
    };
    let mut fields = prelude(b"GAPLSYM\0");
    fields.extend([
        ("length", le(32_u8 + 4 + 7 + 8, 4)),
        ("database", le(0xC1C2_u16, 16)),
        ("domain", string("größe")),
    ]);
    layouts.insert("symbol header", (sealed(fields), header.encode()));

    let (frame, chain) = encode_frame(0xC3, &["AAPL", "größe"], 0xC4C5);
    assert_eq!(
        frame[frame.len() - 8..],
        chain.to_le_bytes(),
        "the chain is the checksum"
    );
    let fields = vec![
        ("first code", le(0xC3_u8, 4)),
        ("count", le(2_u8, 4)),
        ("text length", le(11_u8, 4)),
        ("reserved", vec![0; 4]),
        ("chain", le(0xC4C5_u16, 8)),
        ("ends", words(&[4_u8, 11], 4)),
        ("text", "AAPLgröße".as_bytes().to_vec()),
    ];
    layouts.insert("frame", (sealed(fields), frame));
}

fn segment(layouts: &mut Layouts) {
    let header = vector_header();
    let mut fields = prelude(b"GAPLCOL\0");
    fields.extend([
        ("kind", vec![header.kind.tag()]),
        ("encoding", vec![header.encoding.tag()]),
        ("column type", vec![10]),
        ("reserved", vec![0]),
        ("width", le(8_u8, 4)),
        ("reserved", vec![0; 4]),
        ("rows", le(header.rows, 8)),
        ("body length", le(header.body_len, 8)),
        ("body checksum", le(header.body_checksum, 8)),
        ("segment", le(header.segment, 8)),
    ]);
    layouts.insert("vector header", (sealed(fields), header.encode().into()));

    let meta = segment_meta();
    let bytes = meta.encode();
    let series = vec![("null series", vec![1]), ("codes", bitmap_bytes(&meta.series))];
    let mut items = join(&item_fields(1, join(&series)));
    let series_end = 72 + items.len();
    layouts.insert("series", (series, bytes[72 + 8..series_end].to_vec()));
    for column in &meta.columns {
        items.extend(join(&item_fields(2, join(&column_fields(column)))));
    }
    let mut fields = prelude(b"GAPLSEG\0");
    fields.extend([
        ("column count", le(meta.columns.len() as u32, 4)),
        ("length", le(bytes.len() as u64, 8)),
        ("segment", le(meta.segment, 8)),
        ("created at", meta.created_at.to_le_bytes().to_vec()),
        ("rows", le(meta.rows, 8)),
        ("min time", meta.min_time.to_le_bytes().to_vec()),
        ("max time", meta.max_time.to_le_bytes().to_vec()),
        ("time column", le(meta.time_column, 4)),
        ("series column", le(meta.series_column.unwrap(), 4)),
        ("items", items),
    ]);
    layouts.insert("segment header", (sealed(fields), bytes.clone()));

    // The last column, from behind: its item is the file's last, its pages the item's end.
    let last = meta.columns.last().unwrap();
    let len = join(&column_fields(last)).len();
    let column_bytes = bytes[bytes.len() - 8 - len..bytes.len() - 8].to_vec();
    layouts.insert(
        "statistics of a page",
        (
            page_fields(&last.pages[1]),
            column_bytes[len - 2 * 28 - 64..len - 2 * 28].to_vec(),
        ),
    );
    layouts.insert(
        "encoded page",
        (
            encoded_fields(&last.encoded[1]),
            column_bytes[len - 28..].to_vec(),
        ),
    );
    layouts.insert("column chunk", (column_fields(last), column_bytes));
    let parted = &meta.columns[1];
    let attribute = attribute_fields(&parted.attributes[0]);
    let end =
        series_end + 16 + join(&column_fields(&meta.columns[0])).len() + join(&column_fields(parted)).len();
    let at = end - parted.pages.len() * 64 - 4 - 17;
    layouts.insert("attribute", (attribute, bytes[at..at + 17].to_vec()));
}

fn indexes(layouts: &mut Layouts) {
    let fields = vec![
        ("count", le(2_u8, 4)),
        ("flags", le(1_u8, 4)),
        ("keys", words(&[0xD1_u32, NULL_CODE], 8)),
        ("starts", words(&[0_u8, 5, 9], 4)),
    ];
    layouts.insert(
        "parted",
        (fields, encode_parted(&[0xD1, u64::from(NULL_CODE)], &[0, 5, 9])),
    );

    let groups = [(0xD2, (0..3).collect()), (0xD3, (5..9).collect())];
    let bitmaps = [bitmap_bytes(&groups[0].1), bitmap_bytes(&groups[1].1)];
    let ends = [0, bitmaps[0].len() as u64, bitmaps.concat().len() as u64];
    let fields = vec![
        ("count", le(2_u8, 4)),
        ("flags", le(0_u8, 4)),
        ("keys", words(&[0xD2_u8, 0xD3], 8)),
        ("ends", words(&ends, 8)),
        ("bitmaps", bitmaps.concat()),
    ];
    layouts.insert("grouped", (fields, encode_grouped(&groups)));

    let fields = vec![
        ("count", le(2_u8, 4)),
        ("flags", le(0_u8, 4)),
        ("keys", words(&[0xD4_u8, 0xD5], 8)),
        ("rows", words(&[8_u8, 6], 4)),
    ];
    layouts.insert("unique", (fields, encode_unique(&[(0xD5, 6), (0xD4, 8)])));
}

fn layouts() -> Layouts {
    let mut layouts = Layouts::new();
    small_files(&mut layouts);
    manifest(&mut layouts);
    streams(&mut layouts);
    coverage_in_the_manifest(&mut layouts);
    coverage_files(&mut layouts);
    write_ahead_log(&mut layouts);
    leases(&mut layouts);
    symbol_file(&mut layouts);
    segment(&mut layouts);
    indexes(&mut layouts);
    layouts
}

#[test]
fn every_layout_on_the_page_is_what_the_encoder_writes() {
    let (page, code) = (tables("layout"), layouts());
    let names: BTreeSet<&str> = page.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        code.keys().copied().collect(),
        "layouts on the page and in this test"
    );
    for (name, (fields, encoded)) in code {
        assert_eq!(join(&fields), encoded, "{name}: fields and encoder");
        check_layout(name, &page[name], &fields);
    }
}

fn check_layout(name: &str, rows: &[Vec<String>], fields: &[Field]) {
    let named: Vec<&str> = rows.iter().map(|row| row[2].as_str()).collect();
    assert_eq!(
        named,
        fields.iter().map(|field| field.0).collect::<Vec<_>>(),
        "{name}: fields"
    );
    let (mut at, mut is_fixed) = (0, true);
    for (row, (field, bytes)) in rows.iter().zip(fields) {
        // As long as all sizes before are constant, the page owes a number.
        let offset = if is_fixed { at.to_string() } else { "-".to_owned() };
        assert_eq!(row[0], offset, "{name}: offset of {field}");
        match row[1].split_once(" x ") {
            _ if row[1] == "n" => is_fixed = false,
            _ if row[1] == "4 + n" => {
                is_fixed = false;
                assert_eq!(
                    le(bytes.len() as u32 - 4, 4),
                    bytes[..4],
                    "{name}: length of {field}"
                );
            }
            Some(("n", each)) => {
                is_fixed = false;
                let each: usize = each.parse().unwrap();
                assert!(
                    !bytes.is_empty() && bytes.len() % each == 0,
                    "{name}: size of {field}"
                );
            }
            _ => assert_eq!(row[1], bytes.len().to_string(), "{name}: size of {field}"),
        }
        at += bytes.len();
    }
}

#[test]
fn every_magic_on_the_page_is_the_one_written() {
    let layouts = layouts();
    let files = &tables("table")["files"];
    let begins: BTreeSet<&str> = files.iter().map(|row| row[1].as_str()).collect();
    let with_magic = layouts.iter().filter(|(_, (fields, _))| fields[0].0 == "magic");
    assert_eq!(begins, with_magic.map(|(name, _)| *name).collect());
    for row in files {
        let magic = row[2].trim_matches('`').replace("\\0", "\0");
        assert_eq!(layouts[row[1].as_str()].1[..8], *magic.as_bytes(), "{}", row[0]);
        let table = &tables("layout")[&row[1]];
        assert_eq!(table[0][3], row[2], "magic in the layout of {}", row[1]);
    }
}

#[test]
fn every_tag_of_an_item_on_the_page_is_the_one_written() {
    use manifest::tag;
    let tags = [
        (tag::COUNTERS, "COUNTERS"),
        (tag::TABLE, "TABLE"),
        (tag::SEGMENT, "SEGMENT"),
        (tag::REMOVED_SEGMENT, "REMOVED_SEGMENT"),
        (tag::DOMAIN, "DOMAIN"),
        (tag::SNAPSHOT, "SNAPSHOT"),
        (tag::DROP_TABLE, "DROP_TABLE"),
        (tag::REMOVE_SEGMENT, "REMOVE_SEGMENT"),
        (tag::DROP_SNAPSHOT, "DROP_SNAPSHOT"),
        (tag::PURGED, "PURGED"),
        (tag::STREAM, "STREAM"),
        (tag::END_STREAM, "END_STREAM"),
        (tag::DELETION, "DELETION"),
        (tag::DROP_DELETION, "DROP_DELETION"),
        (tag::WRITTEN, "WRITTEN"),
        (tag::COVERAGE, "COVERAGE"),
        (tag::REMOVED_COVERAGE, "REMOVED_COVERAGE"),
        (tag::REMOVE_COVERAGE, "REMOVE_COVERAGE"),
        (tag::CALENDAR, "CALENDAR"),
        (tag::DROP_CALENDAR, "DROP_CALENDAR"),
        (tag::USE_CALENDAR, "USE_CALENDAR"),
        (tag::LISTING, "LISTING"),
    ];
    assert_tags("record tags", &tags);
    let written = [2, 7, 3, 8, 5, 6, 9, 10, 11, 12, 13, 14, 16, 18, 19, 20, 21, 22];
    assert_eq!(edit_items().len(), written.len());
    for (item, row) in edit_items().iter().zip(written) {
        assert_eq!(item.tag(), row);
        assert_eq!(
            items_of(&encode_record(1, 2, &RecordBody::Edit(vec![item.clone()])))[0],
            row as u8
        );
    }
    assert_tags(
        "segment tags",
        &[(segment::ITEM_SERIES, "SERIES"), (segment::ITEM_COLUMN, "COLUMN")],
    );
    use wal::tag as log;
    let tags = [
        (log::ROWS, "ROWS"),
        (log::COVERAGE, "COVERAGE"),
        (log::DELETION, "DELETION"),
    ];
    assert_tags("log tags", &tags);
    let written = [
        wal_rows(1, 0, &[]),
        wal_coverage(&coverage()),
        wal_deletion(&deletion(1)),
    ];
    assert_eq!(written.map(|item| u16::from(item[0])), tags.map(|(tag, _)| tag));
    let tags = [
        (lease::tag::CLAIM, "CLAIM"),
        (lease::tag::RENEW, "RENEW"),
        (lease::tag::END, "END"),
    ];
    assert_tags("lease tags", &tags);
    let [claim, _, renew, end] = lease_items().try_into().expect("four items");
    let written = [claim, renew, end].map(|item| u16::from(lease_items_of(&[item])[0]));
    assert_eq!(written, tags.map(|(tag, _)| tag));
}

fn assert_tags(table: &str, tags: &[(u16, &str)]) {
    let tables = tables("table");
    let page = tables[table]
        .iter()
        .map(|row| (row[0].parse().unwrap(), row[1].as_str()));
    assert_eq!(page.collect::<Vec<(u16, &str)>>(), tags, "{table}");
    for row in &tables[table] {
        assert!(
            self::tables("layout").contains_key(&row[2]),
            "{table}: the layout of {}",
            row[2]
        );
    }
}

#[test]
fn every_closed_set_on_the_page_is_complete_and_right() {
    fn rows<T: std::fmt::Debug + Copy>(set: &str, all: &[T], tag: fn(T) -> u8) -> Vec<Vec<String>> {
        all.iter()
            .map(|&value| vec![set.to_owned(), tag(value).to_string(), format!("{value:?}")])
            .collect()
    }
    let code = [
        rows("TimeUnit", TimeUnit::ALL, TimeUnit::tag),
        rows("VectorKind", VectorKind::ALL, VectorKind::tag),
        rows("Encoding", Encoding::ALL, Encoding::tag),
        rows("Codec", Codec::ALL, Codec::tag),
        rows("AttributeKind", AttributeKind::ALL, AttributeKind::tag),
        rows("PartitionUnit", PartitionUnit::ALL, PartitionUnit::tag),
        rows("Keep", Keep::ALL, Keep::tag),
        rows("SegmentOrigin", SegmentOrigin::ALL, SegmentOrigin::tag),
        rows("CoverageState", CoverageState::ALL, CoverageState::tag),
        rows("LeaseEnd", LeaseEnd::ALL, LeaseEnd::tag),
    ];
    assert_eq!(tables("table")["sets"], code.concat());
}

#[test]
fn every_column_type_on_the_page_is_complete_and_right() {
    let mut code = BTreeMap::new();
    for column_type in column_types() {
        let name = match &column_type {
            ColumnType::FixedList { .. } => "fixed list".to_owned(),
            other => other.name().split('(').next().unwrap().to_owned(),
        };
        code.entry(column_type.tag())
            .or_insert_with(Vec::new)
            .push((name, column_type));
    }
    let page = &tables("table")["column types"];
    assert_eq!(page.len(), code.len());
    for (row, (tag, types)) in page.iter().zip(code) {
        for (name, column_type) in types {
            assert_eq!(
                (row[0].as_str(), row[1].as_str()),
                (tag.to_string().as_str(), name.as_str())
            );
            let has_parameters = type_bytes(&column_type).len() > 1;
            assert_eq!(row[2] != "none", has_parameters, "parameters of {name}");
            match column_type.value_width() {
                Some(width) if row[3].parse::<usize>().is_ok() => {
                    assert_eq!(row[3], width.to_string())
                }
                Some(_) => assert!(["time", "fixed list"].contains(&name.as_str()), "{name}"),
                None => assert!(["variable", "1 bit"].contains(&row[3].as_str()), "{name}"),
            }
        }
    }
}

#[test]
fn the_numbers_in_the_prose_are_the_constants() {
    let version = format!("version {FORMAT_MAJOR}.{FORMAT_MINOR}");
    assert!(PAGE.lines().next().unwrap().ends_with(&version));
    assert!(PAGE.contains(&format!("now {FORMAT_MAJOR}.{FORMAT_MINOR}.")));
    assert!(PAGE.contains(&format!("1 to {} bytes", names::FILE_NAME_LEN_MAX)));
    assert!(PAGE.contains(&format!("`{NULL_CODE:#X}`").replace("0X", "0x")));
    assert!(PAGE.contains("one page per 65,536 rows") && PAGE_ROWS == 65_536);
    assert!(PAGE.contains("below 2^31") && segment::SEGMENT_ROWS_MAX == (1 << 31) - 1);
    assert!(PAGE.contains("A length below 32") && manifest::RECORD_LEN_MIN == 32);
    assert!(PAGE.contains("at most 16 MiB") && types::FIXED_LIST_BYTES_MAX == 16 << 20);
    assert!(PAGE.contains("at most 1 GiB") && symbols::FRAME_TEXT_MAX == 1 << 30);
    assert!(PAGE.contains("`s-` and 1 to 62 of"));
    assert!(PAGE.contains("`c-` and 1 to 62 of"));
    let prose = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(prose.contains(&format!("id `{COMMIT_COLUMN:#X}`").replace("0X", "0x")));
    assert!(prose.contains(&format!("`{}`", file_name("#commit").unwrap())));
    assert!(prose.contains("the record's offset in the file - 64") && HEADER_LEN == 64);
    assert!(prose.contains("A length below 24 or above 32 MiB") && lease::LEASE_RECORD_LEN_MIN == 24);
    assert_eq!(lease::LEASE_RECORD_LEN_MAX, 32 << 20);
    assert!(PAGE.contains("at most 1000") && lease::COMPLETION_PERMILLE_MAX == 1000);
    assert!(prose.contains("A header of 40 zero bytes") && wal::WAL_RECORD_HEADER_LEN == 40);
}
