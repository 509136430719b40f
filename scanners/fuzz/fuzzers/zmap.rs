//! See `scandrill_fuzz::zmap`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scandrill_fuzz::zmap(bytes));
