//! What must hold for each registered technique, asserted once for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use scandrill_model::{Asks, Family, TcpFlags, Technique};
use scandrill_scanners::{nmap, techniques};
use strum::IntoEnumIterator;

use crate::packet::Kind;
use crate::policy::Policy;
use crate::target::{Faults, Target};
use crate::world::{plan, run};

#[test]
fn names_are_unique_and_read_back() {
    let names: Vec<&str> = techniques().iter().map(|probe| probe.technique()).map(name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for probe in techniques() {
        assert_eq!(name(probe.technique()).parse(), Ok(probe.technique()));
    }
}

fn name(technique: Technique) -> &'static str {
    let known = Technique::iter().find(|known| *known == technique).expect("in the vocabulary");
    String::leak(known.name().to_owned())
}

/// A cell that a technique asks.
fn cell(technique: Technique) -> u16 {
    match technique.asks() {
        Asks::Ports => 443,
        Asks::Protocols => 6,
        Asks::Host => 0,
    }
}

#[test]
fn what_is_on_the_wire_is_the_technique_s() {
    for probe in techniques().iter().filter(|probe| probe.technique() != Technique::Idle) {
        let technique = probe.technique();
        let policies = BTreeMap::from([(cell(technique), Policy::Drop)]);
        for family in Family::iter().filter(|family| technique.exists_over(*family)) {
            let mut target = Target::new(technique, policies.clone(), Faults::default(), 1);
            let plan = plan(technique, family, &policies, 1);
            let outcome = run(&plan, &mut target, Duration::from_secs(60));
            assert_eq!(outcome.sent.len(), 3, "{technique}");
            for (_, sent) in outcome.sent {
                assert_eq!(sent.protocol, protocol(technique, family), "{technique}");
                if technique != Technique::IpProtocol {
                    assert_eq!(sent.flags(), technique.probe_flags(), "{technique}");
                    assert_syn_has_mss(&sent.kind);
                }
            }
        }
    }
}

/// The number of the protocol that a technique's probes are of (IANA's protocol numbers).
fn protocol(technique: Technique, family: Family) -> Option<u8> {
    match technique {
        Technique::Udp => Some(17),
        Technique::SctpInit => Some(132),
        Technique::Arp if family == Family::V4 => None,
        Technique::IcmpEcho | Technique::Arp if family == Family::V6 => Some(58),
        Technique::IcmpEcho | Technique::IcmpTimestamp | Technique::IcmpNetmask => Some(1),
        _ => Some(6),
    }
}

/// Some rulesets drop a SYN without one, and no other probe of nmap's has it.
fn assert_syn_has_mss(kind: &Kind) {
    if let Kind::Tcp(header, _) = kind {
        let is_syn = crate::packet::flags(header) == TcpFlags::SYN;
        let first = header.options_iterator().next();
        assert_eq!(first, is_syn.then_some(Ok(etherparse::TcpOptionElement::MaximumSegmentSize(1460))));
    }
}

#[test]
fn nmap_has_each_technique_and_says_which_in_one_option_of_its_own() {
    let mut options = BTreeSet::new();
    for probe in techniques() {
        let policies = BTreeMap::from([(443, Policy::Drop)]);
        for family in Family::iter().filter(|family| probe.technique().exists_over(*family)) {
            let plan = plan(probe.technique(), family, &policies, 1);
            let args = nmap::command(&plan, "eth0").args;
            // nmap 7.93 calls -PR deprecated, and does without being told what it says.
            let mut options = probe.nmap_options().iter().filter(|option| **option != "-PR");
            assert!(options.all(|option| args.iter().any(|arg| arg == option)), "{args:?}");
            assert_eq!(args.iter().any(|arg| arg == "-6"), family == Family::V6);
            assert_eq!(args.last(), Some(&plan.target.to_string()));
        }
        assert!(options.insert(probe.nmap_options()), "{}", probe.technique());
    }
}
