//! See `scandrill_fuzz::decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scandrill_fuzz::decode(bytes));
