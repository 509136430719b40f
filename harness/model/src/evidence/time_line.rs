//! The time line of a ban: one source, one defense, every point in time with its witness and its clock.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter};

use crate::port::PortSet;
use crate::time::Stamp;

/// What became of one source under a defense, over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimeLine {
    /// The actor that used the source.
    pub actor: String,
    /// Its address.
    pub source: IpAddr,
    /// What became of it.
    pub outcome: BanOutcome,
    /// The points in time that were seen, ascending.
    pub marks: Vec<Mark>,
    /// Probes against time, answered and not; of equal width, ascending, at most [`TimeLine::BINS`].
    pub probes: Vec<ProbeBin>,
    /// Probes that were answered from the first to the last answered one before the ban; all answered ones without a ban.
    pub probes_leaked: u64,
    /// The ports that those answers told of.
    pub ports_leaked: PortSet,
    /// From the first probe to the first packet that was really dropped, in microseconds; `None` without a ban.
    pub time_to_ban_us: Option<u64>,
    /// What became of the source's connections that were open when the ban landed.
    pub sessions: Sessions,
}

impl TimeLine {
    /// How many bins a time line has at most: what a plot of a phone's width can show.
    pub const BINS: usize = 60;

    /// When `milestone` was first seen.
    pub fn first(&self, milestone: Milestone) -> Option<&Mark> {
        self.marks.iter().find(|mark| mark.milestone == milestone)
    }
}

/// What became of a source, as a verdict of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum BanOutcome {
    /// Nothing decided to ban it, and its packets went on being answered.
    NotBanned,
    /// Something decided to ban it, and its packets went on being answered.
    DecidedNotEnforced,
    /// Its packets were dropped from some time on.
    Enforced,
    /// Its packets were dropped, and answered again later.
    Lifted,
}

/// A point in time, with who saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// What happened.
    pub milestone: Milestone,
    /// When, on `clock`.
    pub at: Stamp,
    /// Who saw it.
    pub witness: Witness,
    /// What stamped it.
    pub clock: Clock,
    /// The line, set element, entry or packet itself, in a few words.
    pub detail: String,
}

/// The points of a ban's time line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, Display, EnumIter)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Milestone {
    /// The source's first probe passed the target's end.
    FirstProbe,
    /// The packet with which the source had reached the defense's limit, where the defense's own state tells.
    Threshold,
    /// A line of the source was written to the kernel's log.
    Logged,
    /// Something decided to ban it: a daemon's log, an element of a set, an entry of a list, a rule that was added.
    Decided,
    /// The first packet after which nothing of the source was answered passed the target's end.
    FirstDropped,
    /// The last answer before that.
    LastAnswered,
    /// It was looked at, and still banned.
    Held,
    /// The first answer after the ban.
    Lifted,
}

/// Who saw a point in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// The capture at this host's end.
    Capture(String),
    /// The built-in scanner, which asked the banned source's and a fresh one's questions at the same time.
    Scanner,
    /// An event of the kernel's, by netlink: `nftables`, `conntrack`, `nflog`.
    Kernel(String),
    /// A line in this file.
    Log(String),
    /// A command that was called in the lab, such as a daemon's iptables.
    Command(String),
    /// A file of the kernel's that was read, such as /proc/net/xt_recent/NAME.
    File(String),
}

/// What stamped a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Clock {
    /// The kernel, when the packet passed: the clock of all captures.
    Packet,
    /// scandrill, when it was told: later than the event by the time of waking up.
    Told,
    /// The kernel's ticks, converted: exact to one tick.
    Ticks,
}

/// Probes in one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeBin {
    /// Its beginning, in microseconds after the first probe.
    pub from_us: u64,
    /// Probes that were answered.
    pub answered: u64,
    /// Probes that were not.
    pub unanswered: u64,
}

/// What became of connections that were open when a ban landed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Sessions {
    /// There was none.
    #[default]
    None,
    /// They went on.
    Kept,
    /// They went unanswered.
    Cut,
}
