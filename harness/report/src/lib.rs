//! A run's report as bytes: a page for people, JSON for programs, JUnit XML for CI systems.
//!
//! Architecture invariant: data in, bytes out. Nothing here does I/O, reads a clock or judges; what a report
//! says was decided before it came here.
#![forbid(unsafe_code)]

mod json;
mod junit;
mod terminal;

#[cfg(test)]
mod fixture;

pub use json::{json, report_schema};
pub use junit::junit;
pub use terminal::{Colour, Skips, Style, case_details, clean, terminal, wrap};
