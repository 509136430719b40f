//! A run's report as bytes: a page for people, JSON for programs, JUnit XML for CI systems.
//!
//! Architecture invariant: data in, bytes out. Nothing here does I/O, reads a clock or judges; what a report
//! says was decided before it came here.
#![forbid(unsafe_code)]

mod ban;
pub mod compare;
mod coverage;
mod html;
mod json;
mod junit;
mod markdown;
mod matrix;
mod merge;
mod terminal;
mod why;
mod words;

#[cfg(test)]
mod fixture;

pub use html::{Place, html};
pub use json::{json, report_schema};
pub use junit::junit;
pub use markdown::markdown;
pub use merge::{NotOneRun, merge};
pub use terminal::{Colour, Evidence, Skips, Style, case_details, clean, explain, terminal, wrap};
