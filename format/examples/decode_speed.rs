//! How long the two decoders on the way of opening a database take. `cargo run --release -p gapless-format --example decode_speed`
//!
//! Prints milliseconds, the best of ten runs. The number of segments and symbols can be given as arguments.

use gapless_format::*;
use std::hint::black_box;
use std::time::Instant;

/// Milliseconds of the fastest of ten runs.
fn best<T>(mut run: impl FnMut() -> T) -> f64 {
    let time = |_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..10).map(time).fold(f64::INFINITY, f64::min)
}

fn segment(segment: u64) -> SegmentRef {
    let partition = PartitionKey::containing(PartitionUnit::Day, segment as i64 / 4 * 86_400_000_000_000);
    SegmentRef {
        table: 0,
        segment,
        directory: format!("s-0badcafe-{segment:06x}"),
        partition,
        rows: 1_000_000,
        min_time: partition.start,
        max_time: partition.end() - 1,
        bytes: 1 << 24,
        meta_len: 4_096,
        meta_checksum: 7,
        created: segment,
        first_commit: 0,
        last_commit: 0,
        origin: SegmentOrigin::Bulk,
        stream: 0,
    }
}

fn table() -> TableMeta {
    let time = ColumnType::Timestamp {
        unit: TimeUnit::Nanosecond,
        zone: None,
    };
    TableMeta {
        table: 0,
        name: "trade".into(),
        created: 0,
        time_column: 0,
        series_column: None,
        partition_unit: PartitionUnit::Day,
        columns: vec![ColumnSpec {
            column_id: 0,
            name: "ts".into(),
            column_type: time,
            nullable: false,
            attributes: Vec::new(),
        }],
        next_column_id: 1,
        keep: Keep::All,
        key: Vec::new(),
        options: Vec::new(),
    }
}

fn main() -> Result<(), FormatError> {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let segments: u64 = arguments.next().unwrap_or(10_000);
    let count: u64 = arguments.next().unwrap_or(10_000_000);

    let body = RecordBody::Checkpoint(Checkpoint {
        next_table: 1,
        tables: vec![table()],
        segments: (0..segments).map(segment).collect(),
        ..Checkpoint::default()
    });
    let record = encode_record(0, 0, &body);
    let decoded = decode_record(&record, 0)?;
    assert!(matches!(decoded, RecordOutcome::Record { body: found, .. } if found == body));
    let decode = best(|| decode_record(&record, 0));
    println!(
        "checkpoint of {segments} segments: {decode:.2} ms, {} bytes",
        record.len()
    );

    let symbols: Vec<String> = (0..count).map(|at| format!("SYM{at:07}")).collect();
    let (frame, _) = encode_frame(0, &symbols, symbols::CHAIN_START);
    let decoded = decode_frame(&frame, 0, symbols::CHAIN_START, 0)?;
    assert!(decoded.symbols().eq(symbols.iter().map(String::as_str)));
    let decode = best(|| decode_frame(&frame, 0, symbols::CHAIN_START, 0));
    let walk = best(|| decoded.symbols().map(str::len).sum::<usize>());
    println!(
        "{} symbols: {decode:.1} ms, walk {walk:.1} ms, {} bytes",
        symbols.len(),
        frame.len()
    );
    Ok(())
}
