//! A packet's way through a host's rules, as the kernel tells it: nftables' own trace, in which iptables-nft's rules are
//! seen, too, and the TRACE target of iptables-legacy, which is read by NFLOG.
//!
//! A packet is chosen by a table of the lab's own, before all other rules; the reading back of a defense leaves it out. A
//! rule of that table is seen in each trace, so that a packet of which nothing is told has not come. What the table says of
//! conntrack is asked only where the rules themselves use it: asking switches it on.

mod listing;

use std::net::IpAddr;
use std::time::Duration;

use scandrill_model::{Backend, CommandLine, Family, HookVerdict, Protocol};
use serde_json::Value;

use self::listing::Rules;
use crate::error::{During, LabError};
use crate::host::Host;
use crate::snapshot::past_stand_ins;
use crate::sysctl;
use crate::watch::{Kind, NflogReader, Step, TraceReader, Verdict, prefix_of};

/// Longer than any of the programs takes.
const LIMIT: Duration = Duration::from_secs(60);
const TABLE: &str = "scandrill-trace";
/// The group that the kernel's TRACE target logs to.
const TRACE_GROUP: u16 = 0;

/// Which packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    /// TCP, UDP or ICMP, whose echo requests are meant.
    pub protocol: Protocol,
    /// Where it comes from.
    pub source: IpAddr,
    /// Its source port, where it has one.
    pub source_port: u16,
    /// Where it goes, and to which port; `None` where that may have been translated.
    pub target: Option<(IpAddr, u16)>,
}

/// A trace that is on.
#[must_use = "a trace is taken off with `stop`"]
#[derive(Debug)]
pub struct Trace {
    host: Host,
    selector: Selector,
    rules: Rules,
    steps: TraceReader,
    legacy: Option<NflogReader>,
}

/// What was told of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// What conntrack called it; `None` where no rule uses conntrack.
    pub conntrack: Option<String>,
    /// Its way, in order.
    pub path: Vec<Passed>,
    /// Whether the trace of iptables-legacy took part.
    pub by_legacy: bool,
}

/// A rule that matched, or a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The hook, as nft names it.
    pub hook: String,
    /// The table's family, as nft names it.
    pub family: String,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule's place in its chain, from 0; `None` for a policy.
    pub rule: Option<usize>,
    /// How many rules the chain has.
    pub of: usize,
    /// The rule in its tool's words, or the policy.
    pub text: String,
    /// What was said of the packet.
    pub verdict: HookVerdict,
}

impl Trace {
    /// Follows from now on the packets that `selector` means.
    pub async fn start(host: &Host, selector: Selector, backend: Backend) -> Result<Self, LabError> {
        let rules = Rules::read(host).await?;
        let steps =
            host.blocking(TraceReader::open).await?.during(|| format!("open a trace on {}", host.name()))?;
        bash(host, "nft -f -", Some(selector.table(rules.use_conntrack()))).await?;
        let mut trace = Self { host: host.clone(), selector, rules, steps, legacy: None };
        if backend == Backend::Legacy && trace.rules.have_legacy(selector.family()) {
            trace.legacy = Some(trace.start_legacy().await?);
        }
        Ok(trace)
    }

    async fn start_legacy(&self) -> Result<NflogReader, LabError> {
        let log = format!("net.netfilter.nf_log.{}", self.selector.number());
        let open = move || {
            sysctl::set(&log, "nfnetlink_log")?;
            NflogReader::open(TRACE_GROUP..=TRACE_GROUP).during(|| "read what TRACE logs".to_owned())
        };
        let reader = self.host.blocking(open).await??;
        bash(&self.host, &self.selector.legacy("-I"), None).await?;
        Ok(reader)
    }

    /// Ends it and gives what was told; `None` where no such packet has come.
    pub async fn stop(mut self) -> Result<Option<Traced>, LabError> {
        let told = self.steps.take().during(|| format!("read the trace of {}", self.host.name()))?;
        let mut legacy = Vec::new();
        if let Some(reader) = &mut self.legacy {
            while !reader
                .receive(|message| legacy.push(prefix_of(message)))
                .during(|| "read what TRACE logs".to_owned())?
            {}
            bash(&self.host, &self.selector.legacy("-D"), None).await?;
        }
        bash(&self.host, &format!("nft delete table inet {TABLE}"), None).await?;
        let Some(first) = told.iter().find(|step| step.table == TABLE) else { return Ok(None) };
        let own: Vec<&Step> = told.iter().filter(|step| step.packet == first.packet).collect();
        let mut path = self.of_nft(&own);
        path.extend(legacy.iter().filter_map(|line| self.of_legacy(line)));
        path.sort_by_key(|passed| order(&passed.hook));
        Ok(Some(Traced { conntrack: conntrack(&own), path, by_legacy: !legacy.is_empty() }))
    }

    /// The rules and policies of others in nftables' trace.
    fn of_nft(&self, steps: &[&Step]) -> Vec<Passed> {
        let mut hook = String::new();
        let mut path = Vec::new();
        for step in steps.iter().filter(|step| step.table != TABLE) {
            let chain = self.rules.chain(step.family, &step.table, &step.chain, false);
            if let Some(base) = chain.and_then(|chain| chain.hook.as_ref()) {
                hook.clone_from(base);
            }
            let rule = step.handle.and_then(|handle| chain?.place(handle));
            let text = match (step.kind, rule.and_then(|at| chain?.rules.get(at))) {
                (Kind::Policy, _) => format!("policy {:?}", step.verdict).to_lowercase(),
                (Kind::Rule, Some(rule)) => rule.text.clone(),
                (Kind::Rule, None) if step.handle.is_some() => "a rule that is gone".to_owned(),
                (Kind::Rule | Kind::Return | Kind::Unknown, _) => continue,
            };
            path.push(Passed {
                hook: hook.clone(),
                family: step.family.to_owned(),
                table: step.table.clone(),
                chain: step.chain.clone(),
                rule,
                of: chain.map_or(0, |chain| chain.rules.len()),
                verdict: said(&step.verdict, &text),
                text,
            });
        }
        path
    }

    /// `TRACE: filter:INPUT:rule:3 `, a rule's number or a policy's.
    fn of_legacy(&self, line: &str) -> Option<Passed> {
        let mut words = line.strip_prefix("TRACE: ")?.trim().splitn(4, ':');
        let [table, chain, what, number] = [words.next()?, words.next()?, words.next()?, words.next()?];
        let number: usize = number.parse().ok()?;
        let family = self.selector.nft_family();
        let listed = self.rules.chain(family, table, chain, true)?;
        let base = listed.hook.clone();
        // The rule that switches the trace on is the first there.
        let shift = usize::from((table, chain) == ("raw", "PREROUTING"));
        let (rule, text) = match what {
            "rule" => {
                let at = number.checked_sub(1 + shift)?;
                (Some(at), listed.rules.get(at)?.text.clone())
            }
            "policy" => (None, format!("policy {}", listed.policy.as_deref()?.to_lowercase())),
            _ => return None,
        };
        let passed = |hook| Passed {
            hook,
            family: family.to_owned(),
            table: table.to_owned(),
            chain: chain.to_owned(),
            rule,
            of: listed.rules.len(),
            verdict: listing::verdict_of(&text),
            text,
        };
        Some(passed(base.unwrap_or_else(|| "input".to_owned())))
    }
}

impl Selector {
    fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// nft's name of its family's tables.
    fn nft_family(&self) -> &'static str {
        if self.source.is_ipv4() { "ip" } else { "ip6" }
    }

    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    fn number(&self) -> u8 {
        if self.source.is_ipv4() { 2 } else { 10 }
    }

    /// The table that chooses it, and asks conntrack about it. No chain of anybody's comes before the first.
    fn table(&self, asks_conntrack: bool) -> Vec<u8> {
        use std::fmt::Write as _;
        let own = self.nft();
        let mut text = format!(
            "table inet {TABLE} {{\n\
             chain first {{ type filter hook prerouting priority -2147483648; {own} meta nftrace set 1; }}\n"
        );
        if asks_conntrack {
            for state in STATES {
                // Writing to a string does not fail.
                let _ = writeln!(text, "chain {state} {{ }}");
            }
            let goto: Vec<String> = STATES.iter().map(|state| format!("{state} : goto {state}")).collect();
            let goto = goto.join(", ");
            let _ = writeln!(
                text,
                "chain tracked {{ type filter hook prerouting priority -199; {own} ct state vmap {{ {goto} }}; }}"
            );
        }
        text.push_str("}\n");
        text.into_bytes()
    }

    fn nft(&self) -> String {
        let (family, protocol) = (self.nft_family(), self.protocol);
        let to = self.target.map(|(target, _)| format!(" {family} daddr {target}")).unwrap_or_default();
        let from = format!("{family} saddr {}{to}", self.source);
        if protocol == Protocol::Icmp {
            let icmp = if self.source.is_ipv4() { "icmp" } else { "icmpv6" };
            return format!("{from} {icmp} type echo-request");
        }
        let port = self.target.map(|(_, port)| format!(" {protocol} dport {port}")).unwrap_or_default();
        format!("{from} {protocol} sport {}{port}", self.source_port)
    }

    /// Puts the rule of iptables-legacy in, or takes it off.
    fn legacy(&self, act: &str) -> String {
        let (program, icmp) = if self.source.is_ipv4() {
            ("iptables-legacy", "-p icmp --icmp-type echo-request")
        } else {
            ("ip6tables-legacy", "-p icmpv6 --icmpv6-type echo-request")
        };
        let to = self.target.map(|(target, _)| format!(" -d {target}")).unwrap_or_default();
        let command = format!("{program} -w -t raw {act} PREROUTING -s {}{to}", self.source);
        if self.protocol == Protocol::Icmp {
            return format!("{command} {icmp} -j TRACE");
        }
        let port = self.target.map(|(_, port)| format!(" --dport {port}")).unwrap_or_default();
        format!("{command} -p {} --sport {}{port} -j TRACE", self.protocol, self.source_port)
    }
}

/// The states of conntrack, each the name of an empty chain of the table's.
const STATES: [&str; 5] = ["new", "established", "related", "invalid", "untracked"];

fn conntrack(steps: &[&Step]) -> Option<String> {
    let states = steps.iter().filter(|step| step.table == TABLE && step.chain == "tracked");
    states.into_iter().find_map(|step| match &step.verdict {
        Verdict::Jump(state) => Some(state.clone()),
        Verdict::Continue | Verdict::Accept | Verdict::Drop | Verdict::Return | Verdict::Stolen => None,
    })
}

/// A drop with an answer is one by its text alone.
fn said(verdict: &Verdict, text: &str) -> HookVerdict {
    match verdict {
        Verdict::Continue => HookVerdict::Continue,
        Verdict::Accept => HookVerdict::Accept,
        Verdict::Drop if text.split_whitespace().any(|word| word.eq_ignore_ascii_case("reject")) => {
            HookVerdict::Reject
        }
        Verdict::Drop => HookVerdict::Drop,
        Verdict::Jump(_) => HookVerdict::Jump,
        Verdict::Return => HookVerdict::Return,
        Verdict::Stolen => HookVerdict::Stolen,
    }
}

/// The order of the hooks on a packet's way in.
fn order(hook: &str) -> usize {
    ["ingress", "prerouting", "input", "forward", "output", "postrouting"]
        .iter()
        .position(|known| *known == hook)
        .unwrap_or(usize::MAX)
}

async fn bash(host: &Host, script: &str, input: Option<Vec<u8>>) -> Result<Vec<u8>, LabError> {
    let command = CommandLine { program: "bash".into(), args: vec!["-ec".into(), past_stand_ins(script)] };
    Ok(host.output(&command, input, LIMIT).await?.success(&command)?.stdout)
}

/// Whether an nftables object, as `nft -j` lists it, belongs to a trace and not to a defense.
pub(crate) fn is_of_trace(kind: &str, body: &Value) -> bool {
    let table = if kind == "table" { "name" } else { "table" };
    body.get(table).and_then(Value::as_str) == Some(TABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lab_s_own_table_is_no_part_of_a_defense() {
        let object = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert!(is_of_trace("table", &object(r#"{"family": "inet", "name": "scandrill-trace"}"#)));
        assert!(is_of_trace("rule", &object(r#"{"table": "scandrill-trace", "chain": "first"}"#)));
        assert!(!is_of_trace("table", &object(r#"{"family": "inet", "name": "filter"}"#)));
    }

    #[test]
    fn a_packet_is_chosen_by_all_that_is_known_of_it() {
        let selector = Selector {
            protocol: Protocol::Tcp,
            source: "198.18.2.10".parse().unwrap(),
            source_port: 20_000,
            target: Some(("198.18.0.1".parse().unwrap(), 22)),
        };
        assert_eq!(selector.nft(), "ip saddr 198.18.2.10 ip daddr 198.18.0.1 tcp sport 20000 tcp dport 22");
        let behind_an_edge = Selector { target: None, ..selector };
        assert_eq!(behind_an_edge.nft(), "ip saddr 198.18.2.10 tcp sport 20000");
        let echo = Selector {
            protocol: Protocol::Icmp,
            target: None,
            source: "fd00:198:18:2::a".parse().unwrap(),
            ..selector
        };
        assert_eq!(echo.nft(), "ip6 saddr fd00:198:18:2::a icmpv6 type echo-request");
    }
}
