//! Expressions against a twin that computes row by row, and the rules that a twin would only repeat.

mod fixture;
mod pushed;
mod rules;
mod times;
mod twin;
