//! Joins with rows around a time and with rows of equal keys, against loops over all rows.

mod horizon;
mod keys;
mod ticks;
mod window;
