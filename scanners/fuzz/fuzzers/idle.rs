//! See `scandrill_fuzz::idle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scandrill_fuzz::idle(bytes));
