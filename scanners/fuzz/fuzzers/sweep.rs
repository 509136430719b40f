//! See `scandrill_fuzz::sweep`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scandrill_fuzz::sweep(bytes));
