//! What the benchmarks share. Tests need nothing from here.
#![forbid(unsafe_code)]

pub mod bench;
