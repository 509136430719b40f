//! The vocabulary of a drill, as types: what is asked (techniques, ports), what comes back (replies, port
//! states), what a defense installs (steps), what a lab looks like, what was expected, what was seen, and how
//! a run is judged and told.
//!
//! Architecture invariant: nothing here does I/O or reads a clock. The one table that turns a reply into a
//! port state, [`state_of`], is here, so that every witness is judged by the same one.
#![forbid(unsafe_code)]

mod address;
mod event;
mod evidence;
mod expectation;
mod flood;
mod glimpse;
mod lab_plan;
mod port;
mod report;
mod scan;
mod state;
mod step;
mod technique;
mod time;
mod verdict;

pub use address::{Family, LAB_V4, LAB_V6, is_lab_address};
pub use event::{BanCheck, ClientLook, Event, Moment, Reading, What};
pub use evidence::{
    BanOutcome, BannedBy, Cause, Clock, Collateral, Distribution, HookVerdict, Hop, Latency, Mark,
    MatrixCell, MatrixRow, Milestone, Phase, ProbeBin, RuleAt, RuleText, Service, Sessions, TextLine,
    TimeLine, Witness, nearest_rank,
};
pub use expectation::{
    Allowed, BanExpectation, Bound, GreenExpectation, OperatorExpectation, PhaseExpectation, RedExpectation,
    RepeatsExpectation, StateSet, TimeBound,
};
pub use flood::{FloodPackets, Sends};
pub use glimpse::{CountedRule, Glimpse, SetFill};
pub use lab_plan::{
    FORWARDING_TABLE, HostPlan, InterfacePlan, LabPlan, NotAShare, PerMille, RoutePlan, Segment, ServiceKind,
    ServicePlan, Speaks, SysctlPlan, Wire,
};
pub use port::{PortError, PortSet, Protocol};
pub use report::{CaseReport, ClaimReport, Collected, Environment, Finding, RunReport, Skipped};
pub use scan::{CellFacts, CellRead, Detected, ScanResult, ServiceGuess, StateGroup, SystemGuess};
pub use state::{PortState, Reason, Reply, Unreachable, state_of, tells};
pub use step::{Backend, CommandLine, Daemon, Loader, Need, Step, Tool};
pub use technique::{Asks, NoFlag, TcpFlags, Technique};
pub use time::{Millis, Stamp};
pub use verdict::{Outcome, Verdict};
