//! What a live view shows, folded out of the plan and the events so far: who did what, and what came of it. It draws
//! nothing and judges nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use scandrill_engine::{GreenPlan, Plan, RedPlan};
use scandrill_model::{
    BanCheck, CellFacts, Event, Glimpse, Mark, Milestone, Moment, PortSet, RunReport, Stamp, Technique, What,
};

/// So many of the latest events are kept in words.
const KEPT: usize = 100;

/// The whole picture.
#[derive(Debug)]
pub struct View {
    /// The case's name.
    pub case: String,
    /// When the first event was.
    pub start: Option<Stamp>,
    /// Until when the picture tells.
    pub now: Stamp,
    /// How many events it is made of.
    pub events: usize,
    /// The last of them in a few words.
    pub last: String,
    /// The latest of those that tell more than counts, each with its time.
    pub told: VecDeque<(Stamp, String)>,
    /// What the case is doing.
    pub phase: &'static str,
    /// Attackers.
    pub reds: Vec<Red>,
    /// Hosts with a defense.
    pub blues: Vec<Blue>,
    /// Clients.
    pub greens: Vec<Green>,
    /// What went wrong.
    pub problems: Vec<String>,
    /// What came of it, once it is judged.
    pub report: Option<RunReport>,
}

/// An attacker, and what it has learnt.
#[derive(Debug)]
pub struct Red {
    /// Its name.
    pub name: String,
    /// Where it sends from.
    pub source: IpAddr,
    /// How it asks.
    pub technique: Technique,
    /// Who asks for it.
    pub scanner: String,
    /// What is asked.
    pub ports: PortSet,
    /// When it began, and when its scan ended.
    pub began: Option<Stamp>,
    /// When its scan ended.
    pub ended: Option<Stamp>,
    /// Probes that left its end.
    pub probes_sent: u64,
    /// What the captures know of each port.
    pub cells: BTreeMap<u16, CellFacts>,
    /// What was seen of its ban.
    pub ban: Ban,
}

/// What was seen of a ban.
#[derive(Clone, Debug, Default)]
pub struct Ban {
    /// The first who said that it is banned, where somebody did.
    pub decided: Option<Mark>,
    /// Looks at it, each with its time.
    pub looks: Vec<(Stamp, BanCheck)>,
}

/// A defended host.
#[derive(Debug)]
pub struct Blue {
    /// Its name.
    pub host: String,
    /// What was installed, step by step.
    pub installed: Vec<String>,
    /// When its defense was in.
    pub since: Option<Stamp>,
    /// When it was taken off.
    pub until: Option<Stamp>,
    /// Whether it was read back, and is what was asked for.
    pub read_back: Option<bool>,
    /// What it held when it was last looked at.
    pub glimpse: Glimpse,
}

/// A client, and what it got.
#[derive(Debug)]
pub struct Green {
    /// Its name.
    pub name: String,
    /// Where it asks from.
    pub source: IpAddr,
    /// What it is, as its scenario says.
    pub client: String,
    /// Whose address it shares.
    pub behind: Option<String>,
    /// Its requests, in order.
    pub requests: Vec<Request>,
}

/// A request that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it began.
    pub start: Stamp,
    /// How long it took.
    pub took: Duration,
    /// `None`: served; else why not.
    pub failure: Option<String>,
}

/// A probe as the time line shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// When it passed the target's end.
    pub at: Stamp,
    /// Whether it was answered.
    pub answered: bool,
}

impl View {
    /// Nothing has happened.
    pub fn new(plan: &Plan) -> Self {
        let blue = |host: &str| Blue {
            host: host.to_owned(),
            installed: Vec::new(),
            since: None,
            until: None,
            read_back: None,
            glimpse: Glimpse::default(),
        };
        Self {
            case: plan.case.clone(),
            start: None,
            now: Stamp::default(),
            events: 0,
            last: String::new(),
            told: VecDeque::new(),
            phase: "starting",
            reds: plan.reds.iter().map(Red::new).collect(),
            blues: plan.sides().iter().map(|side| blue(side.host)).collect(),
            greens: plan.greens.iter().map(Green::new).collect(),
            problems: Vec::new(),
            report: None,
        }
    }

    /// Takes an event in.
    pub fn take(&mut self, event: &Event) {
        self.start.get_or_insert(event.at);
        self.now = self.now.max(event.at);
        self.events += 1;
        if let Some(last) = in_words(&event.what) {
            self.last.clone_from(&last);
            if !matches!(event.what, What::Traffic { .. } | What::Glimpsed { .. }) {
                self.told.push_back((event.at, last));
                self.told.drain(..self.told.len().saturating_sub(KEPT));
            }
        }
        self.phase = phase(&event.what).unwrap_or(self.phase);
        self.fold(event);
    }

    /// Lets time pass in which nothing was told.
    pub fn pass_to(&mut self, now: Stamp) {
        self.now = self.now.max(now);
    }

    /// Takes in what came of it.
    pub fn judge(&mut self, report: RunReport) {
        self.report = Some(report);
    }

    /// How long it has lasted.
    pub fn lasted(&self) -> Duration {
        self.start.map_or(Duration::ZERO, |start| self.now.since(start))
    }

    fn fold(&mut self, Event { at, what }: &Event) {
        self.fold_red(*at, what);
        self.fold_blue(*at, what);
        if let What::Request { actor, failure, latency_us, start } = what
            && let Some(green) = self.greens.iter_mut().find(|green| green.name == *actor)
        {
            let (took, failure) = (Duration::from_micros(*latency_us), failure.clone());
            green.requests.push(Request { start: *start, took, failure });
        }
        if let What::Problem { operation, error } = what {
            self.problems.push(format!("{operation}: {error}"));
        }
    }

    fn fold_red(&mut self, at: Stamp, what: &What) {
        if let What::Marked { source, mark } = what
            && mark.milestone == Milestone::Decided
        {
            for red in self.reds.iter_mut().filter(|red| red.source == *source) {
                red.ban.decided.get_or_insert_with(|| mark.clone());
            }
        }
        for red in &mut self.reds {
            red.take(at, what);
        }
    }

    fn fold_blue(&mut self, at: Stamp, what: &What) {
        if let What::Installed { step } = what
            && let Some(blue) = self.blues.iter_mut().find(|blue| blue.read_back.is_none())
        {
            blue.installed.push(step.clone());
            blue.since = Some(at);
        }
        if let What::ReadBack { host, differences, .. } = what
            && let Some(blue) = self.blue(host)
        {
            blue.read_back = Some(blue.read_back != Some(false) && differences.is_empty());
        }
        if let What::Glimpsed { host, glimpse } = what
            && let Some(blue) = self.blue(host)
        {
            blue.glimpse = glimpse.clone();
        }
        if *what == What::Removed {
            self.blues.iter_mut().for_each(|blue| blue.until = Some(at));
        }
    }

    fn blue(&mut self, host: &str) -> Option<&mut Blue> {
        self.blues.iter_mut().find(|blue| blue.host == host)
    }
}

impl Red {
    fn new(plan: &RedPlan) -> Self {
        Self {
            name: plan.name.clone(),
            source: plan.scan.source,
            technique: plan.scan.technique,
            scanner: plan.scanner.to_string(),
            ports: plan.scan.ports.clone(),
            began: None,
            ended: None,
            probes_sent: 0,
            cells: BTreeMap::new(),
            ban: Ban::default(),
        }
    }

    /// Takes in what is told of it.
    fn take(&mut self, at: Stamp, what: &What) {
        if let What::Traffic { actor, probes_sent, cells, .. } | What::Facts { actor, probes_sent, cells, .. } =
            what
            && *actor == self.name
        {
            self.probes_sent = *probes_sent;
            self.cells.extend(cells.iter().map(|cell| (cell.port, cell.clone())));
        }
        if matches!(what, What::ActorStarted { actor, .. } if *actor == self.name) {
            self.began = Some(at);
        }
        if matches!(what, What::Scan { actor, .. } if *actor == self.name) {
            self.ended = Some(at);
        }
        if let What::BanChecked { actor, check } = what
            && *actor == self.name
        {
            self.ban.looks.push((at, check.clone()));
        }
    }

    /// Its probes in the order in which they passed the target's end. A reply is the last probe's before it.
    pub fn probes(&self) -> Vec<Probe> {
        let of_cell = |cell: &CellFacts| {
            let replied = cell.reply.map(|(at, _)| at);
            let asked =
                cell.probes.iter().copied().filter(|at| replied.is_some_and(|replied| *at <= replied));
            let answered = asked.max();
            let probe = |at: &Stamp| Probe { at: *at, answered: Some(*at) == answered };
            cell.probes.iter().map(probe).collect::<Vec<_>>()
        };
        let mut probes: Vec<Probe> = self.cells.values().flat_map(of_cell).collect();
        probes.sort_by_key(|probe| probe.at);
        probes
    }

    /// What it has learnt: ports by what they read as, in nmap's words, as soon as it is known. Ports without an answer come last.
    pub fn learnt(&self) -> Vec<(String, PortSet)> {
        let mut groups: BTreeMap<(bool, String), BTreeSet<u16>> = BTreeMap::new();
        for cell in self.cells.values() {
            let silent = cell.reply.is_none();
            let state = if silent && self.ended.is_none() {
                "no answer".to_owned()
            } else {
                cell.state(self.technique).to_string()
            };
            groups.entry((silent, state)).or_default().insert(cell.port);
        }
        groups.into_iter().map(|((_, state), ports)| (state, ports.into_iter().collect())).collect()
    }

    /// From when on nothing of it is answered: the first probe of at least two at its end, where some was answered before.
    pub fn silent_since(&self) -> Option<Stamp> {
        let probes = self.probes();
        let last = probes.iter().rposition(|probe| probe.answered)?;
        let silent = &probes[last + 1..];
        silent.get(1)?;
        Some(silent[0].at)
    }

    /// When it was seen to be served again after a ban.
    pub fn served_again(&self) -> Option<Stamp> {
        let looks = &self.ban.looks;
        let banned = looks.iter().position(|(_, check)| check.is_banned())?;
        looks[banned..].iter().find(|(_, check)| !check.is_banned()).map(|(at, _)| *at)
    }
}

impl Green {
    fn new(plan: &GreenPlan) -> Self {
        Self {
            name: plan.name.clone(),
            source: plan.asks_from.first().copied().unwrap_or(plan.source),
            client: plan.client.clone(),
            behind: plan.gateway.clone(),
            requests: Vec::new(),
        }
    }

    /// How many of its requests were served.
    pub fn served(&self) -> usize {
        self.requests.iter().filter(|request| request.failure.is_none()).count()
    }
}

/// What the case does from this event on.
fn phase(what: &What) -> Option<&'static str> {
    Some(match what {
        What::Started { .. } => "building the lab",
        What::LabBuilt { .. } => "starting services",
        What::ServiceReady { .. } | What::Control { .. } => "control: asking without the defense",
        What::Installed { .. } => "installing the defense",
        What::ReadBack { moment: Moment::Before, .. } => "defense read back",
        What::ActorStarted { .. } | What::Traffic { .. } => "attack",
        What::Scan { .. } | What::BanChecked { .. } => "after the scan",
        What::ReadBack { .. } => "reading the defense back again",
        What::Removed => "defense off",
        What::Ended => "lab gone",
        What::ControlRequest { .. }
        | What::Canary { .. }
        | What::Knocked { .. }
        | What::Glimpsed { .. }
        | What::Request { .. }
        | What::Facts { .. }
        | What::Requests { .. }
        | What::Ran { .. }
        | What::Flooded { .. }
        | What::Counted { .. }
        | What::Marked { .. }
        | What::Captured { .. }
        | What::Lost { .. }
        | What::Followed { .. }
        | What::Matched { .. }
        | What::Punctual { .. }
        | What::Unmet { .. }
        | What::Note { .. }
        | What::Problem { .. } => return None,
    })
}

/// An event in a few words; `None` of those that only count.
fn in_words(what: &What) -> Option<String> {
    Some(match what {
        What::Started { case, .. } => format!("{case} begins"),
        What::LabBuilt { hosts } => format!("lab of {hosts} hosts built"),
        What::ServiceReady { service } => format!("{service} listens"),
        What::Control { technique, source, .. } => format!("control: {technique} from {source} answered"),
        What::ControlRequest { actor, failure: None } => format!("control: {actor} served"),
        What::ControlRequest { actor, failure: Some(why) } => format!("control: {actor} not served: {why}"),
        What::Installed { step } => format!("installed: {step}"),
        What::ReadBack { host, items, .. } => format!("{host} read back: {items} items"),
        What::Canary { moment, passed, .. } => {
            format!("canary {moment}: {}", if *passed { "passed" } else { "not answered" })
        }
        What::ActorStarted { actor, source } => format!("{actor} begins, from {source}"),
        What::Knocked { actor, steps, .. } => format!("{actor} knocked at {}", steps.join(", ")),
        What::Traffic { actor, probes_sent, .. } => format!("{actor}: {probes_sent} probes"),
        What::Glimpsed { host, .. } => format!("{host}: counters read"),
        What::Request { actor, failure: None, .. } => format!("{actor} served"),
        What::Request { actor, failure: Some(why), .. } => format!("{actor} not served: {why}"),
        What::Scan { actor, .. } => format!("{actor} has scanned"),
        What::Facts { actor, probes_arrived, .. } => format!("{actor}: {probes_arrived} probes captured"),
        What::Requests { actor, .. } => format!("{actor} has finished"),
        What::Ran { actor, .. } => format!("{actor} has run its commands"),
        What::Flooded { actor, sent, .. } => format!("{actor} has sent {sent} packets"),
        What::BanChecked { actor, check } if check.is_banned() => format!("{actor} looked at: banned"),
        What::BanChecked { actor, .. } => format!("{actor} looked at: served"),
        What::Marked { source, mark } => format!("{} of {source}: {}", mark.milestone, mark.detail),
        What::Captured { host, packets, .. } => format!("{packets} packets captured at {host}"),
        What::Unmet { .. } => "something is missing on this machine".to_owned(),
        What::Problem { operation, error } => format!("{operation}: {error}"),
        What::Removed => "defense taken off".to_owned(),
        What::Ended => "lab gone".to_owned(),
        What::Followed { cause } => format!("{}: {}", cause.packet, cause.fate),
        What::Counted { .. }
        | What::Lost { .. }
        | What::Matched { .. }
        | What::Punctual { .. }
        | What::Note { .. } => return None,
    })
}
