//! Leases: time-bounded exclusive claims on ranges of series, so that two workers do not fetch the same gap.
//!
//! - No two leases that are live overlap in the same table, series, interval and world.
//! - A lease has an *epoch*, its fencing number: greater than that of every lease before it in the life of the database.
//! - Who commits under a lease holds a [`Fence`] meanwhile. It is given only while the lease is the newest on its range, and
//!   while anybody holds one, nobody is granted anything. So a holder that was thought dead never writes after its successor
//!   was granted.
//! - A lease that was granted is there when its process is killed. When the machine goes down it may be gone, and so are all
//!   holders: nothing is ever synced.
//!
//! Time is that of the wall clock, which may jump. A jump forwards lets leases expire early, which the fence makes harmless:
//! work is done twice, not written twice. A jump backwards keeps them longer; [`Leases::release`] takes them away by hand.
//! Epochs grow through jumps; only a power cut that takes the log *and* a clock that stands back afterwards could repeat one, and
//! nobody is left then who holds it.
//!
//! | file | owns |
//! | --- | --- |
//! | `key` | what identifies a range, and its printed form |
//! | `lease` | a lease, a request for one, the answer |
//! | `table` | who has what: the rules, without files or clocks |
//! | `log` | `leases/LEASES`: following it, appending, replacing it |
//! | `gate` | `leases/LOCK`, among threads and processes |
//! | `leases` | the operations |
//! | `event` | what is told to `tracing` |
//!
//! This module knows neither gaps nor commits, and no table but its id.

mod event;
mod gate;
mod key;
#[expect(clippy::module_inception, reason = "a lease is the noun of this module")]
mod lease;
mod leases;
mod log;
mod table;
#[cfg(test)]
mod tests;

pub use key::LeaseKey;
pub(crate) use key::TimeText;
pub use lease::{Claim, Lease, LeaseRequest, default_holder};
pub use leases::{Fence, Leases};
