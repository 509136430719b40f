//! The plan of one case: everything the worker needs, as one serializable value. It names each host, address,
//! rule, actor and expectation; nothing is decided later.

mod address;
mod edge;
mod expect;
mod flood;
mod gateway;
mod green;
mod lab;
mod operator;
mod red;
mod web;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;

use scandrill_defenses::lint::{Finding, V6_TWIN_MISSING, lint};
use scandrill_defenses::{LayerSpec, Site, rules};
use scandrill_model::{
    Backend, Family, LabPlan, Millis, Need, PerMille, PortSet, Protocol, RedExpectation, ServicePlan, Step,
    Technique,
};
use scandrill_scanners::{Detect, Evasion, Foreign, Nic, ScanPlan, SourceOwner, Sources, Timing};
use serde::{Deserialize, Serialize};

use self::address::AddressPlan;
pub use self::address::{EDGE, REFERENCE, TARGET};
pub use self::edge::{EdgePlan, SidePlan};
pub use self::expect::{possible_states, silent_by_nature};
pub use self::flood::{CounterPlan, FloodPlan};
pub use self::green::{FreshPlan, GreenPlan};
pub use self::operator::{LIMIT_MS as OPERATOR_LIMIT_MS, OperatorPlan};
use crate::actor::drive::is_worth_a_table;
use crate::bad_file::{BadFile, SourceFile};
use crate::case::Case;
use crate::scenario::{Canary, IcmpLimit, Knock, Prediction, Scanner, Scenario, met_by};

/// Everything one case does.
#[expect(clippy::struct_excessive_bools, reason = "each says one thing, to another reader")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The case's name.
    pub case: String,
    /// The scenario's name.
    pub scenario: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// Over which IP version.
    pub family: Family,
    /// Which kernel interface the iptables commands speak to.
    pub backend: Backend,
    /// Hosts, links, addresses, routes, services.
    pub lab: LabPlan,
    /// The address that is asked, in this family: the attacked host's, or its edge's.
    pub target: IpAddr,
    /// The host between the others and the attacked one.
    pub edge: Option<EdgePlan>,
    /// The listeners that are met there.
    pub faced: Vec<ServicePlan>,
    /// The attacked host's defense, in order.
    pub steps: Vec<Step>,
    /// Whether the file names a defense that must change the kernel's state.
    pub defended: bool,
    /// What the text of the user's own rules tells by itself; it changes no verdict.
    pub notes: Vec<String>,
    /// What the machine must have.
    pub needs: Vec<Need>,
    /// Set once the control is done, where the scenario keeps the kernel's own ICMP limits.
    pub kernel_icmp: Vec<Step>,
    /// Hosts that number their packets, for idle scans.
    pub zombies: Vec<String>,
    /// What is asked of the undefended target, each technique in each form.
    pub controls: Vec<ControlPlan>,
    /// The source that must pass.
    pub canary: Option<CanaryPlan>,
    /// Attackers.
    pub reds: Vec<RedPlan>,
    /// Clients.
    pub greens: Vec<GreenPlan>,
    /// Administrators.
    pub operators: Vec<OperatorPlan>,
    /// Load.
    pub floods: Vec<FloodPlan>,
    /// What is counted while they act.
    pub counters: Vec<CounterPlan>,
    /// The sentence on trial.
    pub claim: Option<ClaimPlan>,
    /// Has the machine alone.
    pub exclusive: bool,
    /// Whether the built-in scanner's replies are read inside the kernel, where that can be had: a large scan's are.
    pub verdicts: bool,
    /// Whether captures watch it. Only a benchmark that measures what they cost does without; its case cannot be judged.
    pub watched: bool,
    /// Whether packets are followed through the rules. One that boots the target is not: its rules are others then.
    pub followed: bool,
    /// Whether somebody follows the case live: then its log tells, while the actors act, how far they are.
    #[serde(default)]
    pub live: bool,
    /// A case that takes longer than this could not be judged.
    pub deadline: Millis,
}

impl Plan {
    /// The attacked host's listeners.
    pub fn services(&self) -> &[ServicePlan] {
        self.lab.host(TARGET).map_or(&[], |host| &host.services)
    }

    /// Roughly how long the case takes, to begin the longest first.
    pub fn expected_duration(&self) -> Millis {
        Millis(paced(&self.reds, &self.greens, &self.floods))
    }

    /// The ports on which a listener of `technique`'s protocol is met.
    pub fn served(&self, technique: Technique) -> PortSet {
        let met = self.met_by(technique);
        let same = met.iter().filter(|service| service.protocol == technique.protocol());
        same.map(|service| service.port).collect()
    }

    /// The listeners that a technique's probes meet.
    pub fn met_by(&self, technique: Technique) -> Vec<ServicePlan> {
        met_by(technique, self.edge.as_ref().map(|edge| edge.forwards), &self.faced)
    }

    /// The host that faces the others.
    pub fn face(&self) -> &str {
        self.edge.as_ref().map_or(TARGET, |_| EDGE)
    }
}

/// Where packets are made and seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vantage {
    /// The host.
    pub host: String,
    /// Its interface.
    pub interface: String,
    /// That interface's Ethernet address.
    pub mac: [u8; 6],
    /// The Ethernet address of the target, or of the edge before it.
    pub next_hop: [u8; 6],
    /// Addresses of others that packets go to, such as a zombie, each with its Ethernet address.
    pub neighbours: Vec<(IpAddr, [u8; 6])>,
}

/// A probe or scan by the built-in scanner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProbePlan {
    /// From where.
    pub from: Vantage,
    /// What.
    pub scan: ScanPlan,
}

/// What the undefended target must answer, so that silence towards some actors means something.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ControlPlan {
    /// Their names.
    pub actors: Vec<String>,
    /// What they ask, too.
    pub probe: ProbePlan,
}

/// A source that connects to a service, so that silence towards others means something.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CanaryPlan {
    /// Its connection.
    pub probe: ProbePlan,
    /// Whether it must pass under the defense too, or only once the defense is off again.
    pub under_defense: bool,
}

/// An attacker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RedPlan {
    /// Its name.
    pub name: String,
    /// Where it works.
    pub from: Vantage,
    /// Who runs its technique.
    pub scanner: Scanner,
    /// What it does first.
    pub knock: Knock,
    /// What it asks.
    pub scan: ScanPlan,
    /// Who must have finished.
    pub after: Vec<String>,
    /// How its ban is looked at.
    pub look: Option<LookPlan>,
    /// What it is expected to see.
    pub expect: RedExpectation,
}

impl RedPlan {
    /// Whether its host's kernel sends some of its packets, and so must own its address.
    fn is_by_kernel(&self) -> bool {
        self.scanner.source_owner() == SourceOwner::Kernel || !self.knock.steps.is_empty()
    }
}

/// How a ban is looked at: the banned source and a fresh one ask the same service at the same time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LookPlan {
    /// Time from the look right after the scan to a second one, where the ban is to hold or to lift.
    pub later: Option<Millis>,
    /// What the banned source asks.
    pub own: ScanPlan,
    /// What the fresh one asks.
    pub fresh: ScanPlan,
}

/// The sentence on trial.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimPlan {
    /// The actor it is about.
    pub actor: String,
    /// What its author predicts.
    pub predicts: Prediction,
}

/// Plans one case.
///
/// # Errors
/// A scenario that no lab can answer: an unknown layer, rules of no known format, an expectation that cannot be
/// observed, a port that no expectation covers.
pub fn plan(case: &Case, run_seed: u64) -> Result<Plan, Box<BadFile>> {
    Planner {
        case,
        scenario: &case.scenario,
        seed: case.seed(run_seed),
        addresses: AddressPlan::of(&case.scenario),
    }
    .plan()
    .map_err(Box::new)
}

/// Gives the control another order and other cookies than the scan has.
const CONTROL_SEED: u64 = 0x5eed;
/// Waits for a second before it asks again, until answers show that there is no need to.
const PATIENT: Timing = Timing::T3;

/// What reads a defense back.
const READ_BACK: [&str; 2] = ["bash", "nft"];

struct Planner<'a> {
    case: &'a Case,
    scenario: &'a Scenario,
    seed: u64,
    addresses: AddressPlan,
}

impl Planner<'_> {
    fn plan(&self) -> Result<Plan, BadFile> {
        let scenario = self.scenario;
        self.check_ranges()?;
        self.check_reboots()?;
        expect::check(scenario).map_err(|(span, message, help)| self.bad(span, message, help))?;
        let reds: Vec<RedPlan> = scenario
            .reds
            .iter()
            .enumerate()
            .map(|(index, red)| self.red(index, red))
            .collect::<Result<_, _>>()?;
        let greens = self.greens(&reds)?;
        let floods = scenario.floods.iter().enumerate().map(|(index, flood)| self.flood(index, flood));
        let floods = floods.collect::<Result<Vec<_>, _>>()?;
        let steps = self.steps()?;
        let (edge, of_edge) = self.edge()?;
        let operators = self.operators(&reds, &greens);
        let by_kernel = reds.iter().filter(|red| red.is_by_kernel());
        let by_kernel = by_kernel.map(|red| (red.from.host.as_str(), red.scan.source));
        let owned: Vec<(&str, IpAddr)> = by_kernel.chain(greens.iter().flat_map(GreenPlan::owned)).collect();
        let lab = lab::plan(scenario, &self.addresses, &owned, &green::gateways(&greens));
        let programs: Vec<Step> = lab.hosts.iter().flat_map(|host| host.programs.clone()).collect();
        let starting =
            daemons(programs.iter().chain(&steps.0).chain(edge.iter().flat_map(|edge| &edge.steps)));
        let of_steps: Vec<Need> = [steps.1, of_edge, scandrill_defenses::needs(&programs)].concat();
        let needs = needs(&of_steps, &reds, scenario, self.case.backend);
        let followed = !operators.iter().any(|operator| operator.reboot.is_some());
        let verdicts = reds.iter().any(|red| red.scanner == Scanner::Builtin && is_worth_a_table(&red.scan));
        let plan = Plan {
            case: self.case.name(),
            scenario: scenario.name.clone(),
            seed: self.seed,
            family: self.case.family,
            backend: self.case.backend,
            target: self.addresses.asked(self.case.family),
            defended: self.defended(),
            notes: self.all_notes(&steps.0, edge.as_ref()),
            edge,
            faced: scenario.faced(),
            steps: steps.0,
            lab,
            needs,
            kernel_icmp: if scenario.target.icmp == IcmpLimit::Kernel {
                lab::kernel_icmp()
            } else {
                Vec::new()
            },
            zombies: zombies(scenario),
            controls: self.controls(&reds),
            canary: self.canary(),
            // Generous: ten times what the pace alone asks for, and a minute for everything else.
            deadline: Millis(
                paced(&reds, &greens, &floods)
                    .saturating_mul(10)
                    .saturating_add(60_000)
                    .saturating_add(operator::longest(&operators))
                    .saturating_add(starting),
            ),
            reds,
            greens,
            operators,
            floods,
            counters: scenario.counters.iter().map(CounterPlan::from).collect(),
            claim: scenario
                .claim
                .as_ref()
                .map(|claim| ClaimPlan { actor: claim.actor.clone(), predicts: claim.predicts.clone() }),
            exclusive: scenario.exclusive,
            verdicts,
            watched: true,
            followed,
            live: false,
        };
        self.check_floods(&plan)?;
        Ok(plan)
    }

    /// A range of the file's is nobody else's.
    fn check_ranges(&self) -> Result<(), BadFile> {
        let Some((range, other)) = self.addresses.collision() else { return Ok(()) };
        let help = "198.19.128.0/17 and fd00:198:18:8000::/49 are free for ranges of your own".to_owned();
        let text = range.to_string();
        let start = self.scenario.file.text.find(&text).unwrap_or(0);
        let message = format!("{range} overlaps {other}, which the lab itself uses");
        Err(self.bad(start..start + text.len(), message, Some(help)))
    }

    fn bad(&self, span: Range<usize>, message: impl Into<String>, help: Option<String>) -> BadFile {
        BadFile { file: self.scenario.file.clone(), span, message: message.into(), help }
    }

    fn defended(&self) -> bool {
        let target = &self.scenario.target;
        target.defense.iter().any(|spec| spec.layer != "none") || !target.rules.is_empty()
    }

    fn steps(&self) -> Result<(Vec<Step>, Vec<Need>), BadFile> {
        let target = &self.scenario.target;
        let site = Site {
            backend: self.case.backend,
            tool: self.case.tool,
            services: target.services.clone(),
            interface: target.interface.clone(),
        };
        self.steps_of(&target.defense, &target.defense_span, &target.rules, &site)
    }

    /// The steps of a host's layers and of its user's own rules, and what they need.
    fn steps_of(
        &self,
        defense: &[LayerSpec],
        defense_span: &Range<usize>,
        own: &[SourceFile],
        site: &Site,
    ) -> Result<(Vec<Step>, Vec<Need>), BadFile> {
        let stack = scandrill_defenses::stack(defense, site)
            .map_err(|error| self.bad(defense_span.clone(), error.to_string(), None))?;
        let (mut steps, needs) = (stack.steps, stack.needs);
        if let Some(name) = started_twice(&steps) {
            let message = format!("two layers start the daemon `{name}`, and a host runs one");
            return Err(self.bad(defense_span.clone(), message, Some("keep one of them".to_owned())));
        }
        for file in own {
            let format = rules::detect(&file.name, &file.text).map_err(|error| {
                let help =
                    Some("iptables-save format, an nft file or a shell script is understood".to_owned());
                BadFile { file: file.clone(), span: 0..0, message: error.to_string(), help }
            })?;
            steps.extend(rules::steps(&file.name, &file.text, format, site));
        }
        let is_read_back = !steps.is_empty() || !self.scenario.operators.is_empty();
        let read_back = if is_read_back { &READ_BACK[..] } else { &[] };
        let read_back = read_back.iter().map(|program| Need::Program((*program).to_owned()));
        let needs = needs.into_iter().chain(scandrill_defenses::needs(&steps)).chain(read_back).collect();
        Ok((steps, needs))
    }

    /// What is found in all rules of the user's own.
    fn all_notes(&self, of_target: &[Step], edge: Option<&EdgePlan>) -> Vec<String> {
        let of_edge = edge.zip(self.scenario.edge.as_ref());
        let of_edge = of_edge.map(|(plan, edge)| self.notes(&plan.steps, &edge.rules));
        of_edge.into_iter().flatten().chain(self.notes(of_target, &self.scenario.target.rules)).collect()
    }

    /// What is found in the user's own rules, read after the layers that come before them. The layers' own texts are
    /// not spoken of: what each is worth is what scenarios show. Whoever asks about IPv4 alone knows of IPv6.
    fn notes(&self, steps: &[Step], own: &[SourceFile]) -> Vec<String> {
        let scenario = self.scenario;
        if own.is_empty() {
            return Vec::new();
        }
        let is_asked = |finding: &Finding| {
            let is_own = own.iter().any(|file| file.name == finding.file);
            is_own && (finding.check != V6_TWIN_MISSING || scenario.families.contains(&Family::V6))
        };
        lint(steps).iter().filter(|finding| is_asked(finding)).map(Finding::to_string).collect()
    }

    /// One control for each technique and form of its probes, over all ports that anyone asks like that.
    fn controls(&self, reds: &[RedPlan]) -> Vec<ControlPlan> {
        let mut controls: Vec<ControlPlan> = Vec::new();
        for red in reds {
            let scan = self.control(red, controls.len() as u64);
            let alike = |control: &&mut ControlPlan| {
                let other = &control.probe.scan;
                (other.technique, &other.evasion, other.zombie)
                    == (scan.technique, &scan.evasion, scan.zombie)
            };
            if let Some(control) = controls.iter_mut().find(alike) {
                control.probe.scan.ports = control.probe.scan.ports.union(&scan.ports);
                control.actors.push(red.name.clone());
            } else {
                let probe = ProbePlan { from: red.from.clone(), scan };
                controls.push(ControlPlan { actors: vec![red.name.clone()], probe });
            }
        }
        controls
    }

    /// The same probes from an address of its own, without delays: what a target never answers, and whose answers go
    /// elsewhere, shows nothing. It is patient: on a machine with many labs at once, the first answers may be late.
    fn control(&self, red: &RedPlan, index: u64) -> ScanPlan {
        let source = self.addresses.control(&red.from.host, self.case.family);
        let (scan, evasion) = (&red.scan, &red.scan.evasion);
        let seed = (self.seed ^ CONTROL_SEED).wrapping_add(index);
        ScanPlan {
            timing: PATIENT,
            zombie: scan.zombie,
            link: scan.link,
            evasion: Evasion {
                decoys: Vec::new(),
                sources: Sources::Own,
                bad_checksum: false,
                ..evasion.clone()
            },
            ..ScanPlan::new(scan.technique, source, scan.target, scan.ports.clone(), seed)
        }
    }

    fn canary(&self) -> Option<CanaryPlan> {
        let (port, under_defense) = match self.scenario.target.canary {
            Canary::Tcp(port) => (port, true),
            Canary::Nobody => (self.tcp_service()?, false),
        };
        let host = self.addresses.last_actor_s();
        let source = self.addresses.canary(host, self.case.family);
        let scan = ScanPlan { timing: PATIENT, ..self.one_port(Technique::TcpConnect, source, port) };
        Some(CanaryPlan { probe: ProbePlan { from: self.vantage(host), scan }, under_defense })
    }

    fn tcp_service(&self) -> Option<u16> {
        let services = self.scenario.faced();
        services.iter().find(|service| service.protocol == Protocol::Tcp).map(|service| service.port)
    }

    fn one_port(&self, technique: Technique, source: IpAddr, port: u16) -> ScanPlan {
        let target = self.addresses.asked(self.case.family);
        ScanPlan::new(technique, source, target, PortSet::one(port), self.seed ^ u64::from(port))
    }

    fn vantage(&self, host: &str) -> Vantage {
        Vantage {
            host: host.to_owned(),
            interface: self.addresses.interface(host).to_owned(),
            mac: self.addresses.mac(host),
            next_hop: self.addresses.face().mac(),
            neighbours: zombies(self.scenario).iter().map(|zombie| self.neighbour(zombie)).collect(),
        }
    }

    fn neighbour(&self, host: &str) -> (IpAddr, [u8; 6]) {
        (self.addresses.link(host, self.case.family), self.addresses.mac(host))
    }
}

fn zombies(scenario: &Scenario) -> Vec<String> {
    let zombies: BTreeSet<&String> = scenario.reds.iter().filter_map(|red| red.zombie.as_ref()).collect();
    zombies.into_iter().cloned().collect()
}

/// What the defense needs, the scanners, and the services; a zombie, a gateway, and a link that loses packets, are rules of nft's.
fn needs(of_steps: &[Need], reds: &[RedPlan], scenario: &Scenario, backend: Backend) -> Vec<Need> {
    let scanners = reds.iter().filter_map(|red| red.scanner.foreign()).map(Foreign::name);
    let translated = scenario.greens.iter().any(|green| green.behind.is_some());
    let ruled = scenario.loss > PerMille::NONE || !zombies(scenario).is_empty() || translated;
    let programs = scanners.chain(ruled.then_some("nft"));
    let programs = programs.map(|program| Need::Program(program.to_owned()));
    let sctp = scenario.target.services.iter().any(|service| service.protocol == Protocol::Sctp);
    let sctp = sctp.then_some(Need::Sctp).into_iter().chain(web::needs(&scenario.target.services));
    let of_operators = scenario.operators.iter().flat_map(|operator| operator::needs(operator, backend));
    let mut needs: Vec<Need> =
        of_steps.iter().cloned().chain(programs).chain(sctp).chain(of_operators).collect();
    needs.sort();
    needs.dedup();
    needs
}

/// The command lines of whoever scans and is not built in; none of the built-in scanner.
pub fn foreign_commands(red: &RedPlan) -> Vec<scandrill_model::CommandLine> {
    let nic =
        Nic { interface: red.from.interface.clone(), address: red.from.mac, next_hop: red.from.next_hop };
    red.scanner.foreign().map_or_else(Vec::new, |scanner| scanner.commands(&red.scan, &nic))
}

/// How long it may take, in milliseconds, to start a daemon and to end it.
const DAEMON: u64 = 60_000;

/// What the daemons among steps may take.
fn daemons<'a>(steps: impl Iterator<Item = &'a Step>) -> u64 {
    let daemons = steps.filter(|step| matches!(step, Step::Daemon(_)));
    daemons.map(|_| DAEMON).sum()
}

/// What the plan's own pace asks for: probes and requests that are spaced, and looks that wait.
fn paced(reds: &[RedPlan], greens: &[GreenPlan], floods: &[FloodPlan]) -> u64 {
    let scans = reds.iter().map(|red| {
        let ports = u64::try_from(red.scan.ports.len()).unwrap_or(u64::MAX);
        let pace = Millis::from(red.scan.interval()).0;
        let pauses = red.scan.pace.burst.map_or(0, |burst| ports / u64::from(burst.probes) * burst.pause.0);
        let look = red.look.as_ref().and_then(|look| look.later).unwrap_or_default().0;
        let detecting = if red.scan.detect == Detect::default() { 0 } else { DETECTING };
        [pauses, ports / 10, look, detecting]
            .into_iter()
            .fold(ports.saturating_mul(pace), u64::saturating_add)
    });
    let clients = greens.iter().map(|green| green.asked() * (green.interval.0 + FAILED_REQUEST));
    let knocks = reds.iter().map(|red| &red.knock).chain(greens.iter().map(|green| &green.knock));
    let knocks = knocks.map(|knock| knock.took().0);
    scans.chain(clients).chain(knocks).chain(floods.iter().map(flood::paced)).fold(0, u64::saturating_add)
}

/// Milliseconds that nmap takes to guess a system, or to try its questions on a service that understands none.
const DETECTING: u64 = 30_000;

/// Milliseconds that a request takes which is not served.
const FAILED_REQUEST: u64 = 2_000;

/// The name of a daemon that is started more than once.
fn started_twice(steps: &[Step]) -> Option<&str> {
    let mut names = BTreeSet::new();
    let daemons =
        steps.iter().filter_map(|step| if let Step::Daemon(daemon) = step { Some(daemon) } else { None });
    daemons.map(|daemon| daemon.name.as_str()).find(|name| !names.insert(*name))
}
