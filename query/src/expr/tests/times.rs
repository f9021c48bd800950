//! Times, durations, their parts and buckets.
