//! The bodies of the index files, read in place: nothing is parsed or copied to look something up.
//!
//! - `parse` is O(1): it checks that the lengths fit. `verify` is O(n) and proves the rest.
//! - Lookups in an index that lies never panic and never answer rows outside the segment; they may
//!   miss rows. Compare the body's checksum, or `verify`, before trusting one.

mod grouped;
mod keys;
mod parted;
mod unique;

pub use grouped::{GroupedIndex, encode_grouped};
pub(crate) use grouped::{read_bitmap, write_bitmap};
pub use parted::{PartedIndex, encode_parted};
pub use unique::{UniqueIndex, encode_unique};
