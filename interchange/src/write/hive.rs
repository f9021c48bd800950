//! Names of files in a tree of partitions, as Hive, Spark, DuckDB and Polars read it.

use std::path::{Path, PathBuf};

/// What Hive calls the partition of an empty value.
const EMPTY: &str = "__HIVE_DEFAULT_PARTITION__";

/// `directory/key=value/.../part-<number>.parquet`.
///
/// Bytes that a path cannot hold, or that mean something in such a tree, are percent-encoded.
///
/// ```
/// let path = gapless_interchange::hive_path("out".as_ref(), &[("date", "2026-11-20"), ("sym", "BRK/B")], 3);
/// assert_eq!(path, std::path::Path::new("out/date=2026-11-20/sym=BRK%2FB/part-000003.parquet"));
/// ```
pub fn hive_path(directory: &Path, parts: &[(&str, &str)], number: u64) -> PathBuf {
    let mut path = directory.to_path_buf();
    for (key, value) in parts {
        let value = if value.is_empty() {
            EMPTY.to_owned()
        } else {
            encoded(value)
        };
        path.push(format!("{}={value}", encoded(key)));
    }
    path.push(format!("part-{number:06}.parquet"));
    path
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_control() || "\"#%'*/:=?\\{[]^<>|".contains(character) {
            encoded.push_str(&format!("%{:02X}", u32::from(character)));
        } else {
            encoded.push(character);
        }
    }
    encoded
}
