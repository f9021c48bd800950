//! The checksum of an answer, as `benches/compare/answers.py` computes it.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

/// The reference's answer to a query.
pub fn reference(data: &Path, name: &str) -> Vec<RecordBatch> {
    let file = std::fs::File::open(data.join(format!("ref/{name}.parquet"))).expect("an answer");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .expect("Parquet")
        .build()
        .expect("Parquet");
    reader.map(|batch| batch.expect("a batch")).collect()
}

/// The checksum over some columns of an answer, in their order.
pub fn checksum(batches: &[RecordBatch], columns: &[&str]) -> String {
    let mut hash = Sha256::new();
    for column in columns {
        let arrays: Vec<ArrayRef> = batches
            .iter()
            .map(|batch| {
                let array = batch.column_by_name(column);
                std::sync::Arc::clone(array.unwrap_or_else(|| panic!("the answer has no column {column}")))
            })
            .collect();
        hash.update(format!("{column}={};", value(column, &arrays)));
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    format!("{rows}:{}", &digest[..10])
}

fn value(column: &str, arrays: &[ArrayRef]) -> String {
    let Some(first) = arrays.first() else {
        return "0".to_string();
    };
    let is_time = matches!(first.data_type(), DataType::Timestamp(..))
        || ["ts", "gap_start", "gap_end"].contains(&column);
    match first.data_type() {
        _ if is_time => {
            let total: i128 = arrays
                .iter()
                .flat_map(|array| {
                    cast(array, &DataType::Int64)
                        .expect("a number")
                        .as_primitive::<Int64Type>()
                        .clone()
                        .values()
                        .to_vec()
                })
                .map(i128::from)
                .sum();
            total.to_string()
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
            let mut counts: BTreeMap<String, i64> = BTreeMap::new();
            for array in arrays {
                let array = cast(array, &DataType::Utf8).expect("text");
                for text in array.as_string::<i32>().iter().flatten() {
                    *counts.entry(text.to_string()).or_default() += 1;
                }
            }
            let total: i64 = counts.values().zip(1..).map(|(count, rank)| count * rank).sum();
            total.to_string()
        }
        _ => {
            let (mut sum, mut nulls) = (0.0, 0);
            for array in arrays {
                let array = cast(array, &DataType::Float64).expect("a number");
                for value in array.as_primitive::<Float64Type>() {
                    match value.filter(|value| !value.is_nan()) {
                        Some(value) => sum += value,
                        None => nulls += 1,
                    }
                }
            }
            format!("{}/{nulls}", general(sum * 1.000031415926))
        }
    }
}

/// As Python's `%.9g`.
fn general(value: f64) -> String {
    const DIGITS: i32 = 9;
    let scientific = format!("{value:.*e}", DIGITS as usize - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if (-4..DIGITS).contains(&exponent) {
        let decimals = usize::try_from(DIGITS - 1 - exponent).expect("not negative");
        return trimmed(&format!("{value:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

#[test]
fn numbers_are_written_as_python_writes_them() {
    for (value, text) in [
        (0.0, "0"),
        (1.5, "1.5"),
        (123_456_789.0, "123456789"),
        (1_234_567_890.0, "1.23456789e+09"),
        (0.000_012_5, "1.25e-05"),
        (0.000_125, "0.000125"),
        (-2.0 / 3.0, "-0.666666667"),
        (999_999_999.9, "1e+09"),
    ] {
        assert_eq!(general(value), text);
    }
}
