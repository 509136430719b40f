//! The house's own rules, as tests: who may depend on whom, what may stand where, and that papers and data name
//! things that exist. Not here: what a compiler or a linter can check by itself.

mod crates;
mod data;
mod house;
mod papers;
mod sources;
