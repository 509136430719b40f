//! See `scandrill_fuzz::masscan`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scandrill_fuzz::masscan(bytes));
