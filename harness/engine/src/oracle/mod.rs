//! Judging a case. It is given the plan's expectations and the event log, never the defense's code.

mod collateral;
pub mod compare;
mod exchange;
pub mod facts;
pub mod judge;
mod load;
pub mod marks;
mod matrix;
pub mod observations;
mod operator;
pub mod repeats;
pub mod time_line;
mod timely;
mod view;
mod why;

pub use judge::{Judgement, judge, package_of, skipped};
