//! nmap: the command line that asks what a plan asks, the list of what it cannot do, and the reader of its report.
//! All of it as measured with nmap 7.93.

mod command;
mod limits;
mod parse;

use scandrill_model::{CommandLine, ScanResult};

pub use command::command;
pub use limits::check;
pub use parse::parse;

use super::{Foreign, Habits, Nic, SourceOwner};
use crate::error::ScanError;
use crate::plan::ScanPlan;

/// See the module.
pub(super) struct Nmap;

impl Foreign for Nmap {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, plan: &ScanPlan) -> Result<(), ScanError> {
        check(plan)
    }

    fn commands(&self, plan: &ScanPlan, nic: &Nic) -> Vec<CommandLine> {
        vec![command(plan, &nic.interface)]
    }

    fn parse(&self, outputs: &[Vec<u8>], plan: &ScanPlan) -> Result<ScanResult, ScanError> {
        match outputs {
            [report] => parse(report, plan),
            _ => Err(ScanError::Report(format!("{} reports of one run", outputs.len()))),
        }
    }

    fn habits(&self) -> Habits {
        Habits { source: SourceOwner::Kernel, needs_frames: false }
    }
}

const NAME: &str = "nmap";
