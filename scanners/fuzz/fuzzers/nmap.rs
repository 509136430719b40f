//! See `scandrill_fuzz::nmap`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scandrill_fuzz::nmap(bytes));
