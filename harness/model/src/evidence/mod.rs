//! What a verdict rests on, beyond expectation and observation: when a ban came, who else was hurt, which rule decided, and which
//! rules nothing ever met. It is computed from the event log and changes no verdict by itself.

mod cause;
mod collateral;
mod distribution;
mod matrix;
mod time_line;

pub use cause::{Cause, HookVerdict, Hop, RuleAt, RuleText, TextLine};
pub use collateral::{BannedBy, Collateral, Latency, Phase, Service};
pub use distribution::{Distribution, nearest_rank};
pub use matrix::{MatrixCell, MatrixRow};
pub use time_line::{BanOutcome, Clock, Mark, Milestone, ProbeBin, Sessions, TimeLine, Witness};
