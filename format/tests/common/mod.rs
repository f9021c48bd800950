//! Sample values of every structure, with distinctive fields, and proptest strategies for them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use gapless_format::*;

pub const DAY_NS: i64 = 86_400_000_000_000;

pub fn column_types() -> Vec<ColumnType> {
    let mut types = vec![
        ColumnType::Bool,
        ColumnType::Decimal128 {
            precision: 18,
            scale: 4,
        },
        ColumnType::Date,
        ColumnType::Time(TimeUnit::Second),
        ColumnType::Time(TimeUnit::Microsecond),
        ColumnType::Timestamp {
            unit: TimeUnit::Nanosecond,
            zone: Some("UTC".into()),
        },
        ColumnType::Timestamp {
            unit: TimeUnit::Millisecond,
            zone: None,
        },
        ColumnType::Duration(TimeUnit::Microsecond),
        ColumnType::Symbol { domain: "sym".into() },
        ColumnType::Utf8,
        ColumnType::Binary,
        ColumnType::FixedList {
            item: Number::F64,
            len: 10,
        },
        ColumnType::List(Number::F64),
    ];
    types.extend(Number::ALL.iter().map(|&number| ColumnType::Number(number)));
    types
}

pub fn vector_header() -> VectorHeader {
    VectorHeader {
        kind: VectorKind::Values,
        encoding: Encoding::Plain,
        column_type_tag: ColumnType::Number(Number::F64).tag(),
        width: 8,
        rows: 0x0102_0304,
        body_len: 8 * 0x0102_0304,
        body_checksum: 0x1112_1314_1516_1718,
        segment: 0x2122_2324_2526_2728,
    }
}

/// A bound of the column's kind, `at` apart from the others.
fn bound(column_type: &ColumnType, at: i64) -> Bound {
    match page::Bound::tag_for(column_type) {
        1 => Bound::I64(at - 50),
        2 => Bound::U64(at as u64 + 7),
        3 => Bound::F64(at as f64 - 0.5),
        4 => Bound::I128(i128::from(at) - (1 << 100)),
        _ => Bound::None,
    }
}

/// A column whose sizes and pages fit `rows`.
pub fn column(column_id: u32, name: &str, column_type: ColumnType, rows: u64) -> ColumnMeta {
    let nulls = matches!(column_type, ColumnType::Utf8 | ColumnType::Decimal128 { .. });
    let pages: Vec<PageStats> = (0..page::page_count(rows))
        .map(|at| PageStats {
            min: bound(&column_type, at as i64),
            max: bound(&column_type, at as i64 + 100),
            has_nan: page::Bound::tag_for(&column_type) == 3 && at == 0,
            null_count: u32::from(nulls),
            checksum: 0x3100 + at,
            offsets_checksum: if column_type.has_offsets() { 0x3200 + at } else { 0 },
            validity_checksum: if nulls { 0x3300 + at } else { 0 },
        })
        .collect();
    let body = match column_type.value_width() {
        Some(width) => rows * width as u64,
        None if column_type == ColumnType::Bool => rows.div_ceil(8),
        None => 3 * u64::from(column_type.body_width()),
    };
    ColumnMeta {
        name: name.into(),
        column_id,
        encoding: Encoding::Plain,
        null_count: pages.iter().map(|page| u64::from(page.null_count)).sum(),
        values_bytes: 64 + body,
        offsets_bytes: if column_type.has_offsets() {
            64 + 4 * (rows + 1)
        } else {
            0
        },
        validity_bytes: if nulls { 64 + rows.div_ceil(8) } else { 0 },
        attributes: Vec::new(),
        pages,
        encoded: Vec::new(),
        column_type,
    }
}

/// The column with every page encoded.
pub fn paged(mut column: ColumnMeta, rows: u64) -> ColumnMeta {
    let part = |codec, decoded: u64, len| match decoded {
        0 => EncodedPart::NONE,
        1..=encoded::DECODED_PAGE_BYTES_MAX => EncodedPart { codec, len },
        decoded => EncodedPart {
            codec: Codec::Plain,
            len: decoded,
        },
    };
    let has_validity = column.validity_bytes > 0;
    column.encoding = Encoding::Paged;
    column.encoded = (0..)
        .zip(&column.pages)
        .map(|(at, stats)| {
            let range = page::page_rows(at, rows);
            let rows = range.end - range.start;
            let packed = has_validity && column.column_type.value_width().is_some();
            let kept = rows - if packed { u64::from(stats.null_count) } else { 0 };
            let decoded_len = match column.column_type.value_width() {
                Some(width) => kept * width as u64,
                None if column.column_type == ColumnType::Bool => rows.div_ceil(8),
                None => 3 * u64::from(column.column_type.body_width()),
            };
            let offsets = u64::from(column.column_type.has_offsets());
            EncodedPage {
                values: part(Codec::Zstd, decoded_len, 0x6100 + at),
                offsets: part(Codec::Pco, offsets, 0x6200 + at),
                validity: part(Codec::Zstd, u64::from(has_validity), 0x63 + at),
                packed,
                decoded_len,
            }
        })
        .collect();
    let file = |part: fn(&EncodedPage) -> EncodedPart| {
        64 + column.encoded.iter().map(|page| part(page).slot()).sum::<u64>()
    };
    column.values_bytes = file(|page| page.values);
    column.offsets_bytes = if column.column_type.has_offsets() {
        file(|page| page.offsets)
    } else {
        0
    };
    column.validity_bytes = if has_validity {
        file(|page| page.validity)
    } else {
        0
    };
    column
}

pub fn time_type() -> ColumnType {
    ColumnType::Timestamp {
        unit: TimeUnit::Nanosecond,
        zone: Some("UTC".into()),
    }
}

pub fn segment_meta() -> SegmentMeta {
    let rows = 70_000;
    let mut time = column(1, "ts", time_type(), rows);
    time.attributes.push(Attribute {
        kind: AttributeKind::Sorted,
        index_bytes: 0,
        checksum: 0,
    });
    let mut series = column(2, "sym", ColumnType::Symbol { domain: "sym".into() }, rows);
    series.attributes.push(Attribute {
        kind: AttributeKind::Parted,
        index_bytes: 96,
        checksum: 0x4142_4344_4546_4748,
    });
    let mut note = column(9, "note", ColumnType::Utf8, rows);
    note.attributes.push(Attribute {
        kind: AttributeKind::Grouped,
        index_bytes: 0x4950,
        checksum: 0x5152_5354_5556_5758,
    });
    SegmentMeta {
        segment: 0x0102_0304_0506_0708,
        created_at: -2,
        rows,
        min_time: -1_000,
        max_time: 2_000,
        time_column: 1,
        series_column: Some(2),
        series: [0, 5, 6, 7, 70_000].into_iter().collect(),
        null_series: true,
        columns: vec![
            time,
            series,
            paged(column(3, "price", ColumnType::Number(Number::F64), rows), rows),
            paged(note, rows),
        ],
    }
}

pub fn segment_ref(table: u32, segment: u64) -> SegmentRef {
    let partition = PartitionKey::containing(PartitionUnit::Day, segment as i64 % 20_000 * DAY_NS);
    SegmentRef {
        table,
        segment,
        directory: format!("s-{segment:08x}-{:06x}", segment & 0xFF_FFFF),
        partition,
        rows: 1_000_000 + segment,
        min_time: partition.start + 5,
        max_time: partition.start + 3_600_000_000_000,
        bytes: 0x5152_5354,
        meta_len: 0x6162,
        meta_checksum: 0x7172_7374_7576_7778,
        created: 41,
        first_commit: 0x0102_0304_0506_0708,
        last_commit: 0x1112_1314_1516_1718,
        origin: SegmentOrigin::Flush,
        stream: 0x2122_2324_2526_2728,
    }
}

pub fn table_meta(table: u32, name: &str) -> TableMeta {
    let column = |column_id, name: &str, column_type, attribute: Option<AttributeKind>| ColumnSpec {
        column_id,
        name: name.into(),
        column_type,
        nullable: column_id > 1,
        attributes: attribute.into_iter().collect(),
    };
    TableMeta {
        table,
        name: name.into(),
        created: 40,
        time_column: 1,
        series_column: Some(2),
        partition_unit: PartitionUnit::Month,
        columns: vec![
            column(1, "ts", time_type(), None),
            column(
                2,
                "sym",
                ColumnType::Symbol { domain: "sym".into() },
                Some(AttributeKind::Parted),
            ),
            column(
                5,
                "level",
                ColumnType::FixedList {
                    item: Number::F32,
                    len: 10,
                },
                None,
            ),
        ],
        next_column_id: 6,
        keep: Keep::Last,
        key: vec![2, 1],
        options: vec![("comment".into(), "größer".into())],
    }
}

pub fn domain_meta(domain: &str) -> DomainMeta {
    DomainMeta {
        domain: domain.into(),
        file: file_name(domain).unwrap(),
        committed_len: 0x8182,
        symbols: 0x9192,
        chain: 0xA1A2_A3A4_A5A6_A7A8,
    }
}

pub fn removed_segment(segment: u64) -> RemovedSegment {
    RemovedSegment {
        segment: segment_ref(3, segment),
        removed: 44,
        table_name: "trade".into(),
    }
}

pub fn checkpoint(segments: u64) -> Checkpoint {
    Checkpoint {
        version: 45,
        committed_at: 1_795_179_600_000_000_000,
        next_table: 9,
        tables: vec![table_meta(3, "trade"), table_meta(8, "quote")],
        segments: (0..segments)
            .map(|segment| segment_ref(3, 1_000 + segment))
            .collect(),
        removed: vec![removed_segment(17)],
        domains: vec![domain_meta("sym"), domain_meta("exchange/code")],
        snapshots: vec![SnapshotMeta {
            name: "month-end".into(),
            version: 43,
        }],
        streams: vec![stream_meta(0xD1)],
        deletions: vec![deletion(3)],
        written: WrittenBytes {
            log: 1,
            bulk: 2,
            flushed: 3,
            compacted: 4,
        },
        coverage: vec![coverage_ref(3, 2_001), coverage_ref(8, 2_002)],
        removed_coverage: vec![removed_coverage(2_003)],
        calendars: vec![calendar("NYSE"), calendar("große Börse")],
        calendar_uses: vec![
            calendar_use(3, Some("NYSE")),
            CalendarUse {
                series: None,
                ..calendar_use(3, None)
            },
        ],
        listings: vec![listing(8)],
    }
}

pub fn coverage_ref(table: u32, file: u64) -> CoverageRef {
    CoverageRef {
        table,
        file,
        name: format!("c-{file:08x}-000001.cov"),
        bytes: 0x0102_0304,
        checksum: 0x1112_1314_1516_1718,
        ranges: 0x2122,
        created: 43,
        commit: 0x3132_3334_3536_3738,
    }
}

pub fn removed_coverage(file: u64) -> RemovedCoverage {
    RemovedCoverage {
        coverage: coverage_ref(3, file),
        removed: 44,
        table_name: "trade".into(),
    }
}

pub fn calendar(name: &str) -> CalendarMeta {
    CalendarMeta {
        name: name.into(),
        text: "zone = \"Europe/Berlin\"\n".into(),
        changed: 42,
    }
}

pub fn calendar_use(table: u32, calendar: Option<&str>) -> CalendarUse {
    CalendarUse {
        table,
        series: Some(7),
        calendar: calendar.map(str::to_owned),
    }
}

pub fn listing(table: u32) -> ListingMeta {
    ListingMeta {
        table,
        series: 7,
        start: -5,
        end: i64::MAX,
    }
}

pub fn stream_meta(stream: u64) -> StreamMeta {
    StreamMeta {
        stream,
        checkpoint: 0xD3D4,
        flushed: 0xD5D6,
    }
}

pub fn deletion(table: u32) -> Deletion {
    Deletion {
        deletion: 0xE1E2_E3E4,
        table,
        start: -5,
        end: 1_795_179_600_000_000_000,
        series: Some(vec![7, 9, u32::MAX]),
        commit: 0xE5E6,
    }
}

pub fn edit_items() -> Vec<EditItem> {
    vec![
        EditItem::CreateTable(table_meta(3, "trade")),
        EditItem::DropTable { table: 4 },
        EditItem::AddSegment(segment_ref(3, 18)),
        EditItem::RemoveSegment {
            table: 3,
            segment: 17,
        },
        EditItem::GrowDomain(domain_meta("sym")),
        EditItem::CreateSnapshot {
            name: "month-end".into(),
            version: 43,
        },
        EditItem::DropSnapshot {
            name: "year-end".into(),
        },
        EditItem::Purged {
            segments: vec![11, 12, 0xB1B2],
        },
        EditItem::Stream(stream_meta(0xD1)),
        EditItem::EndStream { stream: 0xD2 },
        EditItem::Delete(deletion(3)),
        EditItem::DropDeletion { deletion: 0xE1 },
        EditItem::AddCoverage(coverage_ref(3, 2_001)),
        EditItem::RemoveCoverage {
            table: 3,
            file: 2_000,
        },
        EditItem::Calendar(calendar("NYSE")),
        EditItem::DropCalendar { name: "XETRA".into() },
        EditItem::UseCalendar(calendar_use(3, Some("NYSE"))),
        EditItem::Listing(listing(3)),
    ]
}

/// A column of rows, as it is given to the encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    pub column_id: u32,
    pub column_type: ColumnType,
    pub validity: Option<Vec<u8>>,
    pub lengths: Option<Vec<u8>>,
    pub values: Vec<u8>,
}

impl Rows {
    pub fn values(&self) -> wal::WalValues<'_> {
        wal::WalValues {
            column_id: self.column_id,
            column_type: &self.column_type,
            validity: self.validity.as_deref(),
            lengths: self.lengths.as_deref(),
            values: &self.values,
        }
    }

    /// The column as it was read.
    pub fn of(column: &wal::WalColumn<'_>) -> Self {
        Self {
            column_id: column.column_id,
            column_type: column.column_type.clone(),
            validity: column.validity.map(<[u8]>::to_vec),
            lengths: column.lengths.as_ref().map(unpacked),
            values: unpacked(&column.values),
        }
    }
}

pub fn unpacked(packed: &wal::Packed<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packed.len()];
    packed.unpack(&mut bytes);
    bytes
}

/// A column of every type, with nulls in every other one.
pub fn wal_columns(rows: usize) -> Vec<Rows> {
    let column = |(at, column_type): (usize, ColumnType)| {
        let lengths: Vec<u8> = (0..rows as u32).flat_map(|row| (row % 4).to_le_bytes()).collect();
        let items: usize = (0..rows).map(|row| row % 4).sum();
        let len = match column_type.value_width() {
            Some(width) => rows * width,
            None if column_type == ColumnType::Bool => rows.div_ceil(8),
            None => items * column_type.body_width() as usize,
        };
        Rows {
            column_id: at as u32 + 1,
            validity: (at % 2 == 1).then(|| vec![0b0101_1011; rows.div_ceil(8)]),
            lengths: column_type.has_offsets().then_some(lengths),
            // Text stays UTF-8.
            values: (0..len).map(|at| b'a' + (at % 23) as u8).collect(),
            column_type,
        }
    };
    column_types().into_iter().enumerate().map(column).collect()
}

pub fn wal_rows(table: u32, rows: usize, columns: &[Rows]) -> Vec<u8> {
    let mut writer = Writer::new();
    wal::encode_wal_rows(&mut writer, table, rows as u32, columns.iter().map(Rows::values));
    writer.into_vec()
}

pub fn coverage() -> Coverage {
    Coverage {
        table: 3,
        series: Some(7),
        interval: Some(60_000_000_000),
        start: -5,
        end: 1_795_179_600_000_000_000,
        state: CoverageState::Partial,
        rows: Some(0x0102_0304),
        content: 0x1112_1314_1516_1718,
        fetched_at: 0x2122_2324_2526_2728,
        source: "börse".into(),
        batch: "2026-11-20".into(),
    }
}

pub fn wal_coverage(coverage: &Coverage) -> Vec<u8> {
    let mut writer = Writer::new();
    wal::WalItem::encode_coverage(&mut writer, coverage);
    writer.into_vec()
}

pub fn wal_deletion(deletion: &Deletion) -> Vec<u8> {
    let mut writer = Writer::new();
    wal::WalItem::encode_deletion(&mut writer, deletion);
    writer.into_vec()
}

pub fn wal_header() -> wal::WalHeader {
    wal::WalHeader {
        stream: 0x0102_0304_0506_0708,
        first_lsn: 0x1112_1314,
        database: 0x2122_2324_2526_2728_292A_2B2C_2D2E_2F30,
    }
}

pub fn coverage_key(series: Option<u32>, interval: Option<i64>) -> CoverageKey {
    CoverageKey { series, interval }
}

/// A range of a coverage file, `at` apart from the others.
pub fn coverage_record(at: i64) -> CoverageRecord<'static> {
    CoverageRecord {
        start: at * 100 - 200,
        end: at * 100 - 150,
        state: CoverageState::Complete,
        first_commit: i64::MIN,
        commit: 0x0102_0304 + at,
        rows: Some(0x1112 + at as u64),
        content: 0x2122_2324_2526_2728 + at as u64,
        fetched_at: 0x3132_3334_3536_3738 + at,
        source: "börse",
        batch: "2026-11-20",
    }
}

/// Keys with one range, with some, of one series and of every one; all states, and what is not known.
pub fn coverage_keys() -> Vec<(CoverageKey, Vec<CoverageRecord<'static>>)> {
    let states = (0..).zip(CoverageState::ALL);
    let every_state = states.map(|(at, &state)| CoverageRecord {
        state,
        ..coverage_record(at)
    });
    let ends = [
        CoverageRecord {
            start: i64::MIN,
            end: i64::MIN + 1,
            rows: None,
            ..coverage_record(0)
        },
        CoverageRecord {
            start: i64::MIN + 1,
            end: i64::MAX,
            source: "",
            batch: "börse",
            ..coverage_record(1)
        },
    ];
    vec![
        (coverage_key(None, None), vec![coverage_record(0)]),
        (coverage_key(None, Some(0)), every_state.collect()),
        (coverage_key(Some(7), Some(60_000_000_000)), ends.into()),
        (coverage_key(Some(NULL_CODE), Some(0)), vec![coverage_record(3)]),
    ]
}

pub const COVERAGE_DATABASE: u128 = 0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10;

/// A whole coverage file.
pub fn coverage_file() -> Vec<u8> {
    encode_coverage_file(COVERAGE_DATABASE, 0x4142_4344_4546_4748, &coverage_keys())
}

/// What a coverage file holds, by key.
pub fn coverage_of(file: &CoverageFile, bytes: &[u8]) -> Vec<(CoverageKey, Vec<CoverageRecord<'static>>)> {
    let text = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let of_key = |(key, places): &(CoverageKey, std::ops::Range<usize>)| {
        assert_eq!(file.find(*key), *places, "{key:?}");
        let spans = file.spans(bytes, places.clone());
        let records = places.clone().zip(spans).map(|(place, span)| {
            let record = file.record(bytes, place).expect("a place of the file");
            assert_eq!((record.start, record.end, record.state), span);
            CoverageRecord {
                source: text(record.source),
                batch: text(record.batch),
                ..record
            }
        });
        (*key, records.collect())
    };
    file.keys().iter().map(of_key).collect()
}

/// A whole record around a body.
pub fn wal_record(lsn: u64, commit: i64, body: &[u8]) -> Vec<u8> {
    let mut bytes = wal::wal_record_header(lsn, commit, body.len() as u32, checksum(body));
    bytes.extend(body);
    bytes
}

/// Rows of every type, coverage and a deletion.
pub fn wal_body() -> Vec<u8> {
    [
        wal_rows(3, 9, &wal_columns(9)),
        wal_coverage(&coverage()),
        wal_deletion(&deletion(3)),
    ]
    .concat()
}

pub fn lease_record() -> LeaseRecord {
    LeaseRecord {
        epoch: 0x0102_0304_0506_0708,
        table: 0x1112,
        interval: 60_000_000_000,
        start: -5,
        end: 1_795_179_600_000_000_000,
        claimed_at: 0x2122_2324_2526_2728,
        expires_at: 0x3132_3334_3536_3738,
        completion_permille: 517,
        as_of: Some(0x4142_4344_4546_4748),
        series: Some("börse:7".into()),
        world: "prod".into(),
        holder: "worker:9".into(),
        batch: "b-1".into(),
    }
}

/// One of each kind, with and without what may be missing.
pub fn lease_items() -> Vec<LeaseItem> {
    let bare = LeaseRecord {
        as_of: None,
        series: None,
        world: String::new(),
        batch: String::new(),
        interval: 0,
        ..lease_record()
    };
    vec![
        LeaseItem::Claim(lease_record()),
        LeaseItem::Claim(bare),
        LeaseItem::Renew {
            epoch: 0x5152,
            expires_at: -7,
            completion_permille: 1000,
        },
        LeaseItem::End {
            epoch: 0x6162,
            how: LeaseEnd::Failed,
        },
    ]
}

pub fn lease_header() -> LeaseLogHeader {
    LeaseLogHeader {
        database: 0x0102,
        last_epoch: 0x0304,
    }
}
