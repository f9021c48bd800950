//! Every aggregate against a slow and obvious twin.

mod speed;
