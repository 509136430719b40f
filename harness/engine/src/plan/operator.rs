//! The plan of an administrator: the very command line, and what it knows of the lab.

use std::net::IpAddr;

use scandrill_model::{
    Backend, CommandLine, Family, Loader, Need, OperatorExpectation, PerMille, Protocol, Step,
};
use serde::{Deserialize, Serialize};

use super::address::{EDGE, InnerEnd, TARGET};
use super::{GreenPlan, Planner, RedPlan};
use crate::bad_file::BadFile;
use crate::scenario::{Boot, Operator};

/// An administrator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperatorPlan {
    /// Its name.
    pub name: String,
    /// Where it works.
    pub host: String,
    /// What it types.
    pub run: String,
    /// Whether it boots the target, and how; the commands are those that the target runs then.
    pub reboot: Option<Boot>,
    /// The same as a program with its arguments.
    pub command: CommandLine,
    /// Whether it changes the target's rules or sets.
    pub changes: bool,
    /// Who must have finished.
    pub after: Vec<String>,
    /// Who acts while it runs.
    pub around: Vec<String>,
    /// What it says when it is ready.
    pub ready: Option<String>,
    /// What it must come to.
    pub expect: OperatorExpectation,
}

/// Milliseconds that all of them may take, one after the other, and once more for the reference.
pub fn longest(operators: &[OperatorPlan]) -> u64 {
    let each = |operator: &OperatorPlan| LIMIT_MS * if operator.changes { 2 } else { 1 };
    operators.iter().map(each).sum()
}

/// Milliseconds that one may take.
pub const LIMIT_MS: u64 = 60_000;

/// What an operator's commands need: what it says itself, and the firewall programs that it calls.
pub fn needs(operator: &Operator, backend: Backend) -> Vec<Need> {
    let loader = Loader::Script { backend };
    // Of each family's programs, the package is the same.
    let text = operator.run.replace("${IPTABLES}", "iptables").replace("$IPTABLES", "iptables");
    let script = Step::Load { loader, text, origin: operator.name.clone() };
    operator.needs.iter().cloned().chain(scandrill_defenses::needs(&[script])).collect()
}

impl Planner<'_> {
    /// What no boot can bring back: a loss that the target's own rules make, and ports of a stack in user space.
    pub(super) fn check_reboots(&self) -> Result<(), BadFile> {
        let scenario = self.scenario;
        let Some(operator) = scenario.operators.iter().find(|operator| operator.reboot.is_some()) else {
            return Ok(());
        };
        let sctp = scenario.target.services.iter().any(|service| service.protocol == Protocol::Sctp);
        let why = if scenario.loss > PerMille::NONE {
            "the link's loss would be gone after the boot"
        } else if sctp {
            "a service over SCTP would be gone after the boot"
        } else {
            return Ok(());
        };
        Err(self.bad(operator.span.clone(), why, Some("leave it out".to_owned())))
    }

    pub(super) fn operators(&self, reds: &[RedPlan], greens: &[GreenPlan]) -> Vec<OperatorPlan> {
        let known = self.known(reds, greens);
        let plan = |operator: &Operator| OperatorPlan {
            name: operator.name.clone(),
            host: operator.host.clone(),
            run: operator.run.clone(),
            reboot: operator.reboot,
            command: command(&operator.run, &known),
            changes: operator.changes,
            after: operator.after.clone(),
            around: operator.around.clone(),
            ready: operator.ready.clone(),
            expect: operator.expect.clone(),
        };
        self.scenario.operators.iter().map(plan).collect()
    }

    /// What commands may name, each as a variable: addresses, and what the case is.
    fn known(&self, reds: &[RedPlan], greens: &[GreenPlan]) -> Vec<String> {
        let family = self.case.family;
        let of_edge = [
            (EDGE, self.addresses.face().link(family).addr()),
            ("edge-inside", self.addresses.within_edge(family, InnerEnd::Edge).addr()),
        ];
        let edge = self.scenario.edge.iter().flat_map(|_| of_edge);
        let target = (TARGET, self.addresses.target(family));
        let reds = reds.iter().map(|red| (red.name.as_str(), red.scan.source));
        let greens = greens.iter().map(|green| (green.name.as_str(), green.source));
        let addresses = std::iter::once(target).chain(edge).chain(reds).chain(greens).map(variable);
        let iptables = if family == Family::V4 { "iptables" } else { "ip6tables" };
        addresses.chain([format!("IPTABLES={iptables}"), format!("TOOL={}", self.case.tool)]).collect()
    }
}

/// `RED_2=198.18.3.10`.
fn variable((name, address): (&str, IpAddr)) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("{name}={address}")
}

/// Both outputs go the same way, so that what is said is in order.
fn command(run: &str, known: &[String]) -> CommandLine {
    let bash = ["bash", "-e", "-c"].map(str::to_owned);
    let args = known.iter().cloned().chain(bash).chain([format!("exec 2>&1; {run}")]);
    CommandLine { program: "env".to_owned(), args: args.collect() }
}
