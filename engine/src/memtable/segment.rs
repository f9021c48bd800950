//! A block as a segment in memory: its rows sorted, with the run index of its series.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use arrow_array::{ArrayRef, TimestampNanosecondArray};
use gapless_format::{
    Attribute, AttributeKind, COMMIT_COLUMN, ColumnMeta, Encoding, NULL_CODE, SegmentMeta, SegmentOrigin,
    SegmentRef, checksum, encode_parted,
};
use roaring::RoaringBitmap;

use super::block::{Block, StreamColumn};
use crate::error::Result;
use crate::segment::{MemoryRows, Segment, commit_spec};
use crate::write::sort;

/// Numbers for segments in memory.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Sorts a block.
pub(super) fn sorted(block: &Block) -> Result<Segment> {
    let table = &block.table;
    let array = |id: u32| {
        block
            .columns
            .iter()
            .find(|column| column.column_id == id)
            .map(|column| &column.array)
    };
    let times: &[i64] = array(table.time_column).map_or(&[], |array| {
        array.as_primitive::<TimestampNanosecondType>().values()
    });
    let no_series = vec![
        NULL_CODE;
        if table.series_column.is_some() {
            times.len()
        } else {
            0
        }
    ];
    let codes: &[u32] = table
        .series_column
        .and_then(array)
        .map_or(&no_series, |array| array.as_primitive::<UInt32Type>().values());
    let order = if sort::is_sorted([(codes, times)].into_iter()) {
        None
    } else {
        Some(sort::order(codes, times)?)
    };
    let mut columns = block.columns.clone();
    if block.first_commit() != block.last_commit() {
        columns.push(commits(block));
    }
    if let Some(order) = &order {
        for column in &mut columns {
            column.array = sort::gathered(&column.array, order)?;
        }
    }
    let index = RunIndex::new(codes, order.as_deref());
    Ok(Segment::in_memory(
        reference(block),
        meta(block, &columns, &index),
        MemoryRows {
            columns: columns
                .into_iter()
                .map(|column| (column.column_id, column.array))
                .collect(),
            parted: index.bytes,
        },
    ))
}

fn commits(block: &Block) -> StreamColumn {
    let spec = commit_spec();
    let array: ArrayRef = Arc::new(TimestampNanosecondArray::from(block.commit_times()));
    StreamColumn {
        column_id: COMMIT_COLUMN,
        column_type: spec.column_type,
        array,
    }
}

/// The runs of the series in sorted rows.
struct RunIndex {
    bytes: Vec<u8>,
    series: RoaringBitmap,
    null_series: bool,
}

impl RunIndex {
    fn new(codes: &[u32], order: Option<&[u32]>) -> Self {
        let (mut keys, mut starts) = (Vec::new(), Vec::new());
        let mut note = |row: usize, code: u32| {
            if keys.last() != Some(&u64::from(code)) {
                keys.push(u64::from(code));
                starts.push(u32::try_from(row).unwrap_or(u32::MAX));
            }
        };
        match order {
            None => codes.iter().enumerate().for_each(|(row, code)| note(row, *code)),
            Some(order) => {
                for (row, from) in order.iter().enumerate() {
                    if let Some(code) = codes.get(*from as usize) {
                        note(row, *code);
                    }
                }
            }
        }
        starts.push(u32::try_from(codes.len()).unwrap_or(u32::MAX));
        let series = keys
            .iter()
            .filter_map(|key| u32::try_from(*key).ok())
            .filter(|code| *code != NULL_CODE)
            .collect();
        Self {
            series,
            null_series: keys.contains(&u64::from(NULL_CODE)),
            bytes: encode_parted(&keys, &starts),
        }
    }
}

fn reference(block: &Block) -> Arc<SegmentRef> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Arc::new(SegmentRef {
        table: block.table.table,
        segment: checksum(&number.to_le_bytes()),
        directory: "s-memory".to_owned(),
        partition: block.partition,
        rows: block.rows() as u64,
        min_time: block.min_time,
        max_time: block.max_time,
        bytes: block.bytes() as u64,
        meta_len: 0,
        meta_checksum: 0,
        created: u64::MAX,
        first_commit: block.first_commit(),
        last_commit: block.last_commit(),
        origin: SegmentOrigin::Flush,
        stream: 0,
    })
}

/// What a scan asks a segment for. There are no page statistics: nothing is pruned by them.
fn meta(block: &Block, columns: &[StreamColumn], index: &RunIndex) -> SegmentMeta {
    let table = &block.table;
    let column = |column: &StreamColumn| ColumnMeta {
        name: String::new(),
        column_id: column.column_id,
        column_type: column.column_type.clone(),
        encoding: Encoding::Plain,
        null_count: column.array.null_count() as u64,
        values_bytes: 0,
        offsets_bytes: 0,
        validity_bytes: 0,
        attributes: if Some(column.column_id) == table.series_column {
            vec![Attribute {
                kind: AttributeKind::Parted,
                index_bytes: index.bytes.len() as u64,
                checksum: 0,
            }]
        } else {
            Vec::new()
        },
        pages: Vec::new(),
        encoded: Vec::new(),
    };
    SegmentMeta {
        segment: 0,
        created_at: 0,
        rows: block.rows() as u64,
        min_time: block.min_time,
        max_time: block.max_time,
        time_column: table.time_column,
        series_column: table.series_column,
        series: index.series.clone(),
        null_series: index.null_series,
        columns: columns.iter().map(column).collect(),
    }
}
