//! `scandrill show`: what a scenario will do, in words, before it does it. Everything said here is read off the very
//! plan that a run would execute.

mod packets;
mod scan;

use std::fmt::Write as _;

use scandrill_engine::{
    Amount, CounterPlan, EDGE, EdgePlan, Errand, FloodPlan, Forwarded, Forwards, GreenPlan, Knock,
    OperatorPlan, Plan, Planned, Prediction, RedPlan, TARGET, Tells,
};
use scandrill_model::{
    Allowed, BanExpectation, CommandLine, GreenExpectation, HostPlan, LabPlan, Loader, Need,
    OperatorExpectation, PhaseExpectation, RedExpectation, RepeatsExpectation, Step,
};

use crate::console::Console;
use crate::failure::Failure;
use crate::selection::Selection;
use crate::sources::find_one;

/// Which scenario.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A scenario file, or the name of a built-in one
    pub scenario: String,
    /// The case to tell, by a part of its name; the first by default
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
    /// Print every packet that the built-in scanner would send if nothing answered, and when; the command line of
    /// another scanner. Nothing is sent
    #[arg(long)]
    pub packets: bool,
}

/// Prints the plan.
pub fn run(args: &Args, console: Console) -> Result<u8, Failure> {
    let planned = plans(&args.scenario, &args.filter)?;
    if args.packets {
        packets::print(&planned[0].plan, console)?;
        return Ok(0);
    }
    console.out(&page(&planned[0], &planned))?;
    Ok(0)
}

/// The plan of the first case of a scenario that the filters leave.
pub fn planned_one(scenario: &str, filters: &[String]) -> Result<Planned, Failure> {
    plans(scenario, filters).map(|mut planned| planned.remove(0))
}

/// The plans of one scenario's cases; at least one.
fn plans(scenario: &str, filters: &[String]) -> Result<Vec<Planned>, Failure> {
    find_one(scenario)?;
    let paths = vec![scenario.to_owned()];
    Selection { paths, filters: filters.to_vec(), ..Selection::default() }.plan()
}

fn page(shown: &Planned, all: &[Planned]) -> String {
    let scenario = &shown.case.scenario;
    let mut page = Page::default();
    page.0.push_str(&scenario.name);
    page.0.push('\n');
    page.lines(scenario.about.as_deref().into_iter().map(str::to_owned));
    if let Some(claim) = &scenario.claim {
        page.part(
            "Claim",
            [
                format!("{} ({})", claim.text, claim.source),
                format!("it predicts of {}: {}", claim.actor, prediction(&claim.predicts)),
            ],
        );
    }
    page.part("Cases", all.iter().map(|one| one.plan.case.clone()));
    page.part("Lab, as in the first of them", lab(&shown.plan.lab));
    page.part("Needs", shown.plan.needs.iter().map(need));
    page.part("Control", [control(shown)]);
    page.part("Edge", shown.plan.edge.iter().flat_map(|edge| forwarding(edge, &shown.plan)));
    page.part("Defense of the edge", shown.plan.edge.iter().flat_map(|edge| defense(&edge.steps)));
    page.part("Defense", defense(&shown.plan.steps));
    page.part("Attackers", shown.plan.reds.iter().flat_map(red));
    page.part("Clients", shown.plan.greens.iter().flat_map(green));
    page.part("Operators", shown.plan.operators.iter().flat_map(operator));
    page.part("Load", shown.plan.floods.iter().map(flood));
    page.part("Counters", shown.plan.counters.iter().map(counter));
    page.0
}

/// A text of parts, each with its heading.
#[derive(Default)]
struct Page(String);

impl Page {
    /// A part; without lines it is left out.
    fn part(&mut self, heading: &str, lines: impl IntoIterator<Item = String>) {
        let mut lines = lines.into_iter().peekable();
        if lines.peek().is_some() {
            // Writing to a string does not fail.
            let _ = writeln!(self.0, "\n{heading}");
            self.lines(lines);
        }
    }

    fn lines(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            let _ = writeln!(self.0, "  {line}");
        }
    }
}

fn need(need: &Need) -> String {
    match need {
        Need::Program(program) => format!("the program {program}"),
        Need::File(path) => path.clone(),
        Need::UserIdRange => "more than one user id".to_owned(),
        Need::Root => "the machine's own root".to_owned(),
        Need::Sctp => "SCTP, by the kernel or a library".to_owned(),
    }
}

fn lab(lab: &LabPlan) -> Vec<String> {
    lab.hosts.iter().flat_map(|one| host(one, lab)).collect()
}

fn host(host: &HostPlan, lab: &LabPlan) -> Vec<String> {
    let own = lab.interfaces().filter(|interface| interface.host == host.name);
    let ends: Vec<String> = own
        .map(|interface| {
            let addresses: Vec<String> = interface.addresses.iter().map(ToString::to_string).collect();
            format!("{} {}", interface.name, addresses.join(" ")).trim_end().to_owned()
        })
        .collect();
    let mut lines = vec![format!("{}: {}", host.name, ends.join(", "))];
    let services: Vec<String> = host.services.iter().map(ToString::to_string).collect();
    if !services.is_empty() {
        lines.push(format!("  services {}", services.join(", ")));
    }
    lines.extend(host.routes.iter().map(|route| format!("  route {} via {}", route.to, route.via)));
    lines
}

fn control(planned: &Planned) -> String {
    let plan = &planned.plan;
    let mut techniques: Vec<String> =
        plan.controls.iter().map(|control| control.probe.scan.technique.to_string()).collect();
    techniques.dedup();
    let canary = match &plan.canary {
        Some(canary) if canary.under_defense => {
            format!(
                "; {} must reach tcp/{} before and after",
                canary.probe.scan.source, canary.probe.scan.ports
            )
        }
        Some(canary) => {
            format!(
                "; {} must reach tcp/{} once the defense is off",
                canary.probe.scan.source, canary.probe.scan.ports
            )
        }
        None => String::new(),
    };
    let asked = if techniques.is_empty() { "nothing".to_owned() } else { techniques.join(", ") };
    format!("{asked} against {TARGET} without its defense, from an address of its own{canary}")
}

/// The commands that install the defense, as an administrator would type them.
fn defense(steps: &[Step]) -> Vec<String> {
    if steps.is_empty() {
        return vec!["none".to_owned()];
    }
    steps.iter().flat_map(step).collect()
}

/// How an edge forwards, and what makes it do so, before any defense is in.
fn forwarding(edge: &EdgePlan, plan: &Plan) -> Vec<String> {
    let does = match edge.forwards {
        Forwards::Route => "a router: scans and clients ask the target's own address",
        Forwards::Nat if edge.masquerade => "translates what comes to its address, and the source to its own",
        Forwards::Nat => "translates what comes to its address; the target sees the source",
        Forwards::Haproxy => "HAProxy accepts connections, and makes others to the target",
        Forwards::Nginx => "nginx accepts connections, and makes others to the target",
    };
    let way = |way: &Forwarded| format!("{}/{} leads to {}/{}", way.protocol, way.port, way.protocol, way.to);
    let told = (edge.tells != Tells::Nothing).then(|| format!("it tells for whom it asks by {}", edge.tells));
    let programs = plan.lab.host(EDGE).into_iter().flat_map(|host| &host.programs).flat_map(step);
    let asked = format!("asked: {}", plan.target);
    [does.to_owned(), asked]
        .into_iter()
        .chain(edge.ports.iter().map(way))
        .chain(told)
        .chain(programs)
        .collect()
}

fn step(step: &Step) -> Vec<String> {
    match step {
        Step::Sysctl { key, value } => vec![format!("sysctl -w {key}={value}")],
        Step::Offload { interface, feature, on } => {
            vec![format!("ethtool -K {interface} {feature} {}", if *on { "on" } else { "off" })]
        }
        Step::Load { loader, text, origin } => {
            let command = format!("{} <<'{origin}'", command(*loader));
            std::iter::once(command).chain(indented(text)).chain([origin.clone()]).collect()
        }
        Step::WriteFile { path, text } => {
            std::iter::once(format!("cat > {path}")).chain(indented(text)).collect()
        }
        Step::Daemon(daemon) => {
            let folders = daemon.folders.iter().map(|folder| format!("mkdir -p {folder}"));
            let runs = format!("{} &", typed(&daemon.command));
            let ready = format!("until {}; do sleep 0.1; done", typed(&daemon.ready));
            folders.chain([runs, ready]).collect()
        }
    }
}

fn typed(command: &CommandLine) -> String {
    let words = std::iter::once(&command.program).chain(&command.args);
    let quoted = words.map(|word| {
        let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c));
        if is_plain { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn indented(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(|line| format!("  {line}").trim_end().to_owned())
}

fn command(loader: Loader) -> String {
    match loader {
        Loader::IptablesRestore { family: scandrill_model::Family::V4, backend } => {
            format!("iptables-{backend}-restore")
        }
        Loader::IptablesRestore { family: scandrill_model::Family::V6, backend } => {
            format!("ip6tables-{backend}-restore")
        }
        Loader::Nft => "nft -f -".to_owned(),
        Loader::IpsetRestore => "ipset restore".to_owned(),
        Loader::Script { backend } => format!("bash, with iptables as iptables-{backend},"),
    }
}

fn red(red: &RedPlan) -> Vec<String> {
    let first = format!("{}: {}{}", red.name, scan::in_words(red), waits(&red.after));
    let lines = scan::hiding(&red.scan).into_iter().map(|line| format!("  {line}")).chain(knock(&red.knock));
    let expected = red_expectation(&red.expect);
    std::iter::once(first).chain(lines).chain(expected.iter().map(self::expected)).collect()
}

fn green(green: &GreenPlan) -> Vec<String> {
    let first = format!(
        "{}: {} requests of {} from {} on {}, one every {} ms{}",
        green.name,
        green.count,
        asks(green),
        green.source,
        green.host,
        green.interval.0,
        waits(&green.after) + &beside(green)
    );
    let behind = green.gateway.as_ref().map(|gateway| format!("  behind {gateway}, whose address it shares"));
    let expected = green_expectation(&green.expect);
    let lines = behind.into_iter().chain(knock(&green.knock)).chain(expected.iter().map(self::expected));
    std::iter::once(first).chain(lines).collect()
}

/// `http to port 80`, or a role in the file's words.
fn asks(green: &GreenPlan) -> String {
    match (green.errands.as_slice(), green.client.split_once(' ')) {
        ([Errand { speaks, port }], Some((word, _))) if *word == speaks.to_string() => {
            format!("{speaks} to port {port}")
        }
        _ => green.client.clone(),
    }
}

/// Who acts in the meantime, and whether it goes on.
fn beside(green: &GreenPlan) -> String {
    if green.throughout {
        return format!(", before and after {} and on beside it", green.around.join(" and "));
    }
    surrounds(&green.around)
}

fn knock(knock: &Knock) -> Option<String> {
    (!knock.steps.is_empty()).then(|| format!("  knocks first: {knock}"))
}

fn operator(operator: &OperatorPlan) -> Vec<String> {
    let does = match operator.reboot {
        Some(order) => format!(", which it boots, {order}"),
        None if operator.changes => ", which changes the defense".to_owned(),
        None => String::new(),
    };
    let waits = waits(&operator.after) + &surrounds(&operator.around);
    let first = format!("{}: on {}{does}{waits}", operator.name, operator.host);
    let expected = operator_expectation(&operator.expect);
    let typed = operator.run.trim().lines().map(|line| format!("  # {line}"));
    std::iter::once(first).chain(typed).chain(expected.iter().map(self::expected)).collect()
}

fn flood(flood: &FloodPlan) -> String {
    let packets = &flood.packets;
    let amount = match flood.amount {
        Amount::Packets(count) => format!("{count} packets"),
        Amount::OfConntrackMax(percent) => format!("{percent}% of nf_conntrack_max packets"),
    };
    let to = if packets.port == 0 {
        String::new()
    } else {
        format!(" to {}/{}", packets.sends.protocol(), packets.port)
    };
    let pace = packets.interval.map_or_else(String::new, |interval| format!(", one each {interval:?}"));
    let around = if flood.around.is_empty() {
        String::new()
    } else {
        format!(", around {}", flood.around.join(" and "))
    };
    format!(
        "{}: at most {amount} ({}){to} from {} of {}{pace}{around}{}",
        flood.name,
        packets.sends,
        packets.sources,
        packets.prefix,
        waits(&flood.after)
    )
}

fn counter(counter: &CounterPlan) -> String {
    format!("{}: {} on {}, {}", counter.name, counter.counts, counter.host, counter.expect)
}

fn waits(after: &[String]) -> String {
    if after.is_empty() { String::new() } else { format!(", after {}", after.join(" and ")) }
}

fn surrounds(around: &[String]) -> String {
    if around.is_empty() { String::new() } else { format!(", around {}", around.join(" and ")) }
}

fn expected(what: &String) -> String {
    format!("  expected: {what}")
}

fn prediction(prediction: &Prediction) -> String {
    let words = match prediction {
        Prediction::Red(expect) => red_expectation(expect),
        Prediction::Green(expect) => green_expectation(expect),
        Prediction::Operator(expect) => operator_expectation(expect),
        Prediction::Counter(expect) => expect.iter().map(|bound| format!("it counts {bound}")).collect(),
    };
    words.join("; ")
}

fn red_expectation(expect: &RedExpectation) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    words.extend(expect.answered.map(|count| format!("{count} ports give an answer")));
    words.extend(expect.states.iter().map(|(ports, allowed)| reads(&ports.to_string(), "read", allowed)));
    words.extend(expect.rest.as_ref().map(|allowed| match (expect.answered, expect.states.is_empty()) {
        (Some(_), _) => reads("what gives no answer", "reads", allowed),
        (None, true) => reads("everything", "reads", allowed),
        (None, false) => reads("everything else", "reads", allowed),
    }));
    words.extend(expect.ttl.map(|ttl| format!("every reply has a time to live of {ttl}")));
    words.extend(expect.os.as_ref().map(|name| format!("the target's system looks like {name}")));
    words.extend(expect.os_accuracy.map(|bound| format!("its guess at the system is {bound} % sure")));
    words.extend(expect.probes.map(|count| format!("{count} probes arrive")));
    words.extend(expect.took.map(|bound| format!("it takes {bound}")));
    words.extend(expect.ban.as_ref().map(ban));
    words
}

fn reads(what: &str, reads: &str, allowed: &Allowed) -> String {
    match allowed {
        Allowed::States(states) => format!("{what} {reads} {states}"),
        Allowed::Silent => format!("{what}: silent, whatever the reason"),
    }
}

fn ban(ban: &BanExpectation) -> String {
    let mut words = format!("its source is {}banned", if ban.lands { "" } else { "not " });
    if let Some(probes) = ban.lands_within_probes {
        let _ = write!(words, " within {probes} probes");
    }
    if let Some(within) = ban.enforced_within {
        let _ = write!(words, ", enforced within {} ms", within.0);
    }
    if let Some(holds) = ban.holds {
        let _ = write!(words, ", still {} ms after its last packet", holds.0);
    }
    if let Some(lifts) = ban.lifts {
        let _ = write!(words, ", and served again {} ms after its last packet", lifts.0);
    }
    if let Some(outcome) = ban.outcome {
        let _ = write!(words, "; its outcome is {outcome}");
    }
    for (word, _, RepeatsExpectation { enforced_within, leaked }) in ban.of_repeats() {
        let within = enforced_within.map(|within| format!("enforced within {} ms", within.0));
        let leaked = leaked.map(|ports| format!("at most {ports} ports leaked"));
        let bounds: Vec<String> = within.into_iter().chain(leaked).collect();
        let _ = write!(words, "; {word} of the repeats: {}", bounds.join(", "));
    }
    words
}

fn green_expectation(expect: &GreenExpectation) -> Vec<String> {
    if *expect == GreenExpectation::default() {
        return vec!["every request is served".to_owned()];
    }
    let mut words: Vec<String> = Vec::new();
    words.extend(expect.success_min.map(|share| format!("at least {:.0} % are served", share * 100.0)));
    words.extend(expect.success_max.map(|share| format!("at most {:.0} % are served", share * 100.0)));
    words.extend(expect.served.map(|count| format!("{count} are served")));
    words.extend(expect.latency_max.map(|max| format!("each that is served takes at most {} ms", max.0)));
    words.extend(expect.retransmissions_max.map(|max| format!("at most {max} segments are sent again")));
    words.extend(expect.banned.map(|banned| format!("it is {}banned", if banned { "" } else { "not " })));
    let phases = [("before", expect.before), ("during", expect.during), ("after", expect.after)];
    words.extend(phases.into_iter().flat_map(|(when, expect)| phase_expectation(when, expect)));
    words
}

fn phase_expectation(when: &str, expect: Option<PhaseExpectation>) -> Vec<String> {
    let Some(expect) = expect else { return Vec::new() };
    let mut words: Vec<String> = Vec::new();
    words.extend(expect.success_min.map(|share| format!("at least {:.0} % are served", share * 100.0)));
    words.extend(expect.success_max.map(|share| format!("at most {:.0} % are served", share * 100.0)));
    words.extend(expect.latency_p99_max.map(|max| format!("99 % take at most {} ms", max.0)));
    words.extend(expect.retransmissions_max.map(|max| format!("at most {max} segments are sent again")));
    words.into_iter().map(|what| format!("{when} the attack, {what}")).collect()
}

fn operator_expectation(expect: &OperatorExpectation) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    words.extend(expect.exit.map(|code| format!("its commands end with exit code {code}")));
    words.extend(expect.says.iter().map(|text| format!("they say `{text}`")));
    words.extend(expect.says_not.iter().map(|text| format!("they say nothing of `{text}`")));
    words.extend(expect.value.map(|bound| format!("the number that they say is {bound}")));
    words
}
