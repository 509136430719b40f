//! nmap as the second scanner: the command line that asks what a plan asks, and the reader of its report. Somebody
//! else runs it.

mod command;
mod parse;

pub use command::command;
pub use parse::parse;
