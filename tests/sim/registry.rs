//! What must hold for each registered technique, asserted once for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use scandrill_model::{Family, TcpFlags, Technique};
use scandrill_scanners::{nmap, techniques};
use strum::IntoEnumIterator;

use crate::packet::Kind;
use crate::policy::Policy;
use crate::target::{Faults, Target};
use crate::world::{plan, run};

#[test]
fn names_are_unique_and_read_back() {
    let names: Vec<String> = techniques().iter().map(|probe| probe.technique().to_string()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for probe in techniques() {
        assert_eq!(probe.technique().to_string().parse(), Ok(probe.technique()));
    }
}

#[test]
fn the_flags_on_the_wire_are_the_technique_s() {
    for probe in techniques() {
        let technique = probe.technique();
        let port = if technique == Technique::IcmpEcho { 0 } else { 443 };
        let policies = BTreeMap::from([(port, Policy::Drop)]);
        for family in Family::iter() {
            let mut target = Target::new(policies.clone(), Faults::default(), 1);
            let plan = plan(technique, family, &policies, 1);
            let outcome = run(&plan, &mut target, Duration::from_secs(60));
            assert_eq!(outcome.sent.len(), 3, "{technique}");
            for (_, sent) in outcome.sent {
                assert_eq!(sent.flags(), technique.probe_flags(), "{technique}");
                assert_syn_has_mss(&sent.kind);
            }
        }
    }
}

/// Some rulesets drop a SYN without one, and no other probe of nmap's has it.
fn assert_syn_has_mss(kind: &Kind) {
    if let Kind::Tcp(header) = kind {
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
        for family in Family::iter() {
            let plan = plan(probe.technique(), family, &policies, 1);
            let args = nmap::command(&plan, "eth0").args;
            assert!(
                probe.nmap_options().iter().all(|option| args.iter().any(|arg| arg == option)),
                "{args:?}"
            );
            assert_eq!(args.iter().any(|arg| arg == "-6"), family == Family::V6);
            assert_eq!(args.last(), Some(&plan.target.to_string()));
        }
        assert!(options.insert(probe.nmap_options()), "{}", probe.technique());
    }
}
