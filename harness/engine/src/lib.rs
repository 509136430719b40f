//! The engine: from scenario files to verdicts. It parses, expands into cases, plans, runs each case in a worker
//! of its own, and judges what the event logs say.
//!
//! Architecture invariant: the oracle sees the scenario and the observations, never the defense's code; and
//! nothing here prints.
#![forbid(unsafe_code)]

mod actor;
mod bad_file;
mod case;
mod dry_run;
mod oracle;
mod plan;
mod question;
mod run;
mod runner;
mod scenario;

pub use actor::drive::{builtin, fastest};
pub use bad_file::{BadFile, SourceFile, nearest};
pub use case::{Case, expand};
pub use dry_run::dry_run;
pub use oracle::{Judgement, judge, skipped};
pub use plan::{
    CanaryPlan, ClaimPlan, ControlPlan, CounterPlan, EDGE, EdgePlan, FloodPlan, GreenPlan, LookPlan,
    OperatorPlan, Plan, ProbePlan, REFERENCE, RedPlan, TARGET, Vantage, foreign_commands, plan,
    possible_states,
};
pub use question::{Question, question};
pub use run::{Job, Trouble, work};
pub use runner::{OnProgress, Planned, Progress, RunOptions, is_met, plan_all, run, run_case};
pub use scenario::file::ScenarioFile;
pub use scenario::{
    Amount, Canary, Claim, Edge, Errand, Forwarded, Forwards, Green, HostSettings, IcmpLimit, Knock,
    LoadRules, Prediction, Red, Scanner, Scenario, Target, Tells, over, read,
};
