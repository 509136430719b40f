//! The built-in scanner beside nmap: in the same lab, against the same policy, they must read every port alike, by
//! every technique they share, over both IP versions. Undefended, dropped, rejected in every way, rate limited.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use scandrill_engine::{Planned, RunOptions, Scanner, SourceFile, expand, plan_all, read, run_case, work};
use scandrill_model::{CaseReport, Family, PortState, Technique, Verdict, What};
use scandrill_scanners::techniques;
use strum::IntoEnumIterator;

/// What stands between the scanners and the ports, as a scenario writes it.
const POLICIES: [(&str, &str); 8] = [
    ("undefended", r#"{ layer = "none" }"#),
    ("dropped", r#"{ layer = "drop" }"#),
    ("tcp-reset", r#"{ layer = "reject", with = "tcp-reset" }"#),
    ("port-unreachable", r#"{ layer = "reject", with = "icmp-port-unreachable" }"#),
    ("host-prohibited", r#"{ layer = "reject", with = "icmp-host-prohibited" }"#),
    ("admin-prohibited", r#"{ layer = "reject", with = "icmp-admin-prohibited" }"#),
    ("net-unreachable", r#"{ layer = "reject", with = "icmp-net-unreachable" }"#),
    ("rate-limited", r#"{ layer = "rate-limit", pps = 20 }"#),
];

/// Two attackers, one after the other, with the same question. Every state is allowed: the two are compared with
/// each other, and each with the captures.
fn scenario(technique: Technique, policy: &str) -> String {
    let ports = if technique == Technique::IcmpEcho { "" } else { "ports = \"7,20-30,78-82\"" };
    let rest: Vec<String> =
        scandrill_engine::possible_states(technique).iter().map(|state| format!("\"{state}\"")).collect();
    let rest = rest.join(", ");
    let red = |name: &str, scanner: &str| {
        format!(
            "[[red]]\nname = \"{name}\"\ntechnique = \"{technique}\"\n{ports}\nscanner = \"{scanner}\"\nexpect.rest = [{rest}]\n"
        )
    };
    let target = format!(
        "[target]\nservices = [\"tcp/22\", \"tcp/80 http\", \"udp/7 echo\"]\ndefense = [{policy}]\ncanary = \"none\"\n"
    );
    format!("{target}{}{}", red("builtin", "builtin"), red("nmap", "nmap"))
}

fn main() -> ExitCode {
    scandrill_lab::dispatch(work);
    let mut trials = Vec::new();
    for (policy, layer) in POLICIES {
        for technique in techniques().iter().map(|probe| probe.technique()) {
            for family in Family::iter() {
                let name = format!("{policy}/{technique}/{family}");
                let layer = layer.to_owned();
                trials.push(Trial::test(name.clone(), move || agree(&name, technique, family, &layer)));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn agree(name: &str, technique: Technique, family: Family, layer: &str) -> Result<(), Failed> {
    let text = format!("family = \"{family}\"\n{}", scenario(technique, layer));
    let case = run_case(&planned(name, text)?, &options()).report;
    if case.verdict != Verdict::Pass {
        return Err(format!("{}: {:#?}\n{:#?}", case.verdict, case.problems, case.findings).into());
    }
    let (builtin, nmap) = (states(&case, "builtin")?, states(&case, "nmap")?);
    // Whether nmap's own kernel tells it of a port-unreachable in time is a race that nmap has with itself: it then reads
    // filtered (see `kept_by_the_kernel` in the engine's oracle).
    let unheard = |port: &u16| {
        let pair = (builtin.get(port).copied(), nmap.get(port).copied());
        technique == Technique::TcpConnect && pair == (Some(PortState::Closed), Some(PortState::Filtered))
    };
    let heard_by_icmp_alone = name.starts_with("port-unreachable/");
    let differ = |port: &&u16| builtin.get(port) != nmap.get(port) && !(heard_by_icmp_alone && unheard(port));
    let lines: Vec<String> = builtin
        .keys()
        .chain(nmap.keys())
        .filter(differ)
        .map(|port| format!("port {port}: builtin {:?}, nmap {:?}", builtin.get(port), nmap.get(port)))
        .collect();
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n").into()) }
}

fn planned(name: &str, text: String) -> Result<Planned, Failed> {
    let file = SourceFile::new(format!("{name}.toml"), text);
    let scenario =
        Arc::new(read(name, &file, &|path| Err(format!("no {path}"))).map_err(|bad| bad.to_string())?);
    let cases = expand(&scenario, &[Scanner::Builtin]);
    let planned = plan_all(cases, 1, |_| String::new()).map_err(|bad| format!("{bad:?}"))?;
    planned.into_iter().next().ok_or_else(|| "no case".into())
}

fn options() -> RunOptions {
    RunOptions {
        seed: 1,
        jobs: 1,
        fail_fast: false,
        captures: std::env::temp_dir().join(format!("scandrill-differential-{}", std::process::id())),
        keep_all_captures: false,
        keep_events: true,
    }
}

fn states(case: &CaseReport, wanted: &str) -> Result<BTreeMap<u16, PortState>, Failed> {
    let found = case.events.iter().find_map(|event| {
        if let What::Scan { actor, result, .. } = &event.what {
            return (actor == wanted).then(|| result.states());
        }
        None
    });
    found.ok_or_else(|| format!("no scan of {wanted} in the log").into())
}
