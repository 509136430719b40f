//! The event log: the one record of a run. A worker streams it as JSON lines; a log without its last event is
//! a run that could not be judged.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

use crate::evidence::{Cause, Mark, TextLine};
use crate::glimpse::Glimpse;
use crate::scan::{CellFacts, ScanResult};
use crate::state::{PortState, Reason};
use crate::step::Need;
use crate::technique::Technique;
use crate::time::{Millis, Stamp};

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When the worker recorded it.
    pub at: Stamp,
    /// What it was.
    #[serde(flatten)]
    pub what: What,
}

/// Before or after red acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Moment {
    /// Defense installed, red not yet started.
    Before,
    /// Red and green are done.
    After,
    /// The defense is off again.
    Removed,
}

/// A client and a source that has asked nothing before make the same request at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientLook {
    /// When.
    pub at: Stamp,
    /// `None`: the client was served; else why not, in a few words.
    pub own: Option<String>,
    /// The same of the fresh source.
    pub fresh: Option<String>,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// The worker is inside its namespaces and has its plan.
    Started {
        /// The case's name.
        case: String,
        /// The seed of every random choice.
        seed: u64,
    },
    /// All hosts, links, addresses and routes exist.
    LabBuilt {
        /// How many hosts.
        hosts: usize,
    },
    /// A listener answers.
    ServiceReady {
        /// As `tcp/80 http`.
        service: String,
    },
    /// The control: a technique against the undefended target, from an address that no actor uses.
    Control {
        /// The red actors whose silence it makes mean something.
        actors: Vec<String>,
        /// The technique.
        technique: Technique,
        /// Its source.
        source: IpAddr,
        /// What it read.
        result: ScanResult,
    },
    /// The control of a client: one request of its kind to the undefended target.
    ControlRequest {
        /// The green actor.
        actor: String,
        /// `None`: served; else why not, in a few words.
        failure: Option<String>,
    },
    /// One step of the defense is in.
    Installed {
        /// The step in a few words.
        step: String,
    },
    /// The defense was read back from the kernel and compared with a reference install.
    ReadBack {
        /// Whose.
        host: String,
        /// When.
        moment: Moment,
        /// Rules, sets and values that were looked at.
        items: usize,
        /// Each difference in one line; empty when the defense is what was asked for.
        differences: Vec<String>,
    },
    /// A source of its own that must pass made one connection to a service.
    Canary {
        /// When.
        moment: Moment,
        /// Its source.
        source: IpAddr,
        /// As `tcp/22`.
        service: String,
        /// Whether it was answered.
        passed: bool,
    },
    /// An actor starts.
    ActorStarted {
        /// Its name.
        actor: String,
        /// Where it sends from.
        source: IpAddr,
    },
    /// An actor has knocked, and goes on to what it came for.
    Knocked {
        /// Its name.
        actor: String,
        /// Where from.
        source: IpAddr,
        /// The ports it touched, in order, as `tcp/7000`.
        steps: Vec<String>,
    },
    /// How far a scan is while it goes on, by the captures; of a log that is followed live only.
    Traffic {
        /// The red actor.
        actor: String,
        /// What is asked.
        technique: Technique,
        /// Probes that have left red's end so far.
        probes_sent: u64,
        /// Probes that have arrived at the target's end so far.
        probes_arrived: u64,
        /// The cells that have changed since the last such event.
        cells: Vec<CellFacts>,
    },
    /// What a host holds of its defense while actors act, told when it has changed; of a log that is followed live only.
    Glimpsed {
        /// Whose.
        host: String,
        /// What was seen.
        glimpse: Glimpse,
    },
    /// A client's request has ended; of a log that is followed live only. All of them are in [`What::Requests`].
    Request {
        /// The green actor.
        actor: String,
        /// `None`: served; else why not, in a few words.
        failure: Option<String>,
        /// How long it took, in microseconds.
        latency_us: u64,
        /// When it began.
        start: Stamp,
    },
    /// A scanner's own result.
    Scan {
        /// The red actor.
        actor: String,
        /// What was asked.
        technique: Technique,
        /// What it read.
        result: ScanResult,
        /// From the scanner's start to its end.
        took: Millis,
    },
    /// The captures' facts about a scan.
    Facts {
        /// The red actor.
        actor: String,
        /// What was asked.
        technique: Technique,
        /// Probes that left red's end.
        probes_sent: u64,
        /// Probes that are in the capture at the target's end.
        probes_arrived: u64,
        /// Cell by cell, ascending by port.
        cells: Vec<CellFacts>,
    },
    /// A green client's requests, in order.
    Requests {
        /// The green actor.
        actor: String,
        /// `None`: served; else why not, in a few words.
        failures: Vec<Option<String>>,
        /// Time each request took, served or not.
        latencies_us: Vec<u64>,
        /// When each request began.
        #[serde(default)]
        starts: Vec<Stamp>,
        /// TCP segments that its kernel sent again for each request, SYNs among them.
        #[serde(default)]
        retransmissions: Vec<u64>,
        /// What a fresh source got in the end, where a ban was asked for.
        #[serde(default)]
        look: Option<ClientLook>,
    },
    /// An operator's command ended.
    Ran {
        /// The operator.
        actor: String,
        /// Its exit code; `None` when a signal ended it.
        exit: Option<i32>,
        /// What it wrote to its standard output and standard error, in that order of bytes, at most 64 KiB.
        output: String,
        /// How many bytes more it wrote, which were not kept.
        left_out: u64,
    },
    /// A flood ended.
    Flooded {
        /// The flood.
        actor: String,
        /// Packets sent, handshakes' ACKs aside.
        sent: u64,
        /// Packets that the link did not take, because it was full.
        refused: u64,
        /// SYN-ACKs that were answered; of a flood of handshakes only.
        completed: u64,
        /// Whether those it was to last for had finished before it had sent all.
        ended_early: bool,
        /// From its first packet to its last.
        took: Millis,
    },
    /// What a counter of a host's kernel read right before the actors acted, and right after.
    Counted {
        /// The counter's name in the plan.
        counter: String,
        /// Before.
        before: u64,
        /// After.
        after: u64,
    },
    /// A banned source and a fresh one probed the same service at the same time.
    BanChecked {
        /// The red actor.
        actor: String,
        /// What was seen.
        check: BanCheck,
    },
    /// Somebody saw a point of a source's time line.
    Marked {
        /// The source.
        source: IpAddr,
        /// What was seen, by whom and when.
        mark: Mark,
    },
    /// A capture ended.
    Captured {
        /// Whose end of the link.
        host: String,
        /// Packets kept.
        packets: u64,
        /// Packets the kernel had to drop; more than none makes the case an error.
        dropped: u64,
    },
    /// A link's end ceased to lose packets.
    Lost {
        /// Whose end of the link.
        host: String,
        /// Packets that left it and were lost, on purpose; they are in no capture.
        packets: u64,
    },
    /// How punctual the machine was while the actors acted: a thread was to wake every five milliseconds.
    Punctual {
        /// How late it woke at most.
        late_us: u64,
        /// When that should have been.
        due: Stamp,
        /// How many times it woke.
        ticks: u64,
    },
    /// Packets were followed through the rules, all by one way.
    Followed {
        /// What became of them.
        cause: Box<Cause>,
    },
    /// What the rules of a text came to, from their installation to the end of the attack.
    Matched {
        /// Whose.
        host: String,
        /// Which of the host's texts, in the order in which they are loaded, from 0.
        text: usize,
        /// Its rules, ascending by line.
        rules: Vec<TextLine>,
    },
    /// The case cannot run on this machine.
    Unmet {
        /// What is missing.
        need: Need,
    },
    /// Something that a reader should know, and that changes no verdict.
    Note {
        /// One sentence, or a few.
        text: String,
    },
    /// Something that must work did not; the case cannot be judged.
    Problem {
        /// What was being done.
        operation: String,
        /// What went wrong.
        error: String,
    },
    /// The defense is off and the kernel is as it was before it.
    Removed,
    /// The last event of every complete log.
    Ended,
}

/// What one port read as, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Its state.
    pub state: PortState,
    /// nmap's word for why.
    pub reason: Reason,
}

/// One look at a ban, with tcp-syn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BanCheck {
    /// Time since the source's last packet before this look.
    pub after: Millis,
    /// The service port probed by both.
    pub port: u16,
    /// What the actor's source read.
    pub source: Reading,
    /// What a source that nobody had used before read, at the same time.
    pub fresh: Reading,
}

impl BanCheck {
    /// Whether the source goes unserved where a fresh one is served.
    pub fn is_banned(&self) -> bool {
        self.source.state == PortState::Filtered && self.fresh.state == PortState::Open
    }
}
