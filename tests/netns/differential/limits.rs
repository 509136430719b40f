//! A target that limits its ICMP errors, as Linux does by default. nmap is not asked here: it is unstable, and reads
//! closed ports as open|filtered, another set of them each time; beside it the limits are off (`icmp_ratelimit` and
//! `icmp_ratemask` 0, which is what `icmp = "unlimited"` means). Ours must say that it does not know, or ask from so
//! many sources that the limit is nobody's.

use libtest_mimic::{Failed, Trial};
use scandrill_model::{CellRead, Family, PortState, Technique};
use strum::IntoEnumIterator;

use crate::drill;

pub fn trials() -> Vec<Trial> {
    let of_family = |family: Family| {
        [
            Trial::test(format!("kernel-limits/one-source/{family}"), move || one_source(family)),
            Trial::test(format!("kernel-limits/256-sources/{family}"), move || many_sources(family)),
        ]
    };
    Family::iter().flat_map(of_family).collect()
}

fn scan(name: &str, family: Family, ports: &str, more: &str) -> Result<Vec<CellRead>, Failed> {
    let target = "[target]\nservices = [\"tcp/22\", \"udp/7 echo\"]\nicmp = \"kernel\"\n";
    let text = format!("{target}{}", drill::red("red", "builtin", Technique::Udp, ports, more));
    let case = drill::run(&drill::planned(name, family, &text)?)?;
    Ok(drill::reads(drill::result(&case, "red")?).into_values().collect())
}

/// What was answered is read; of the rest it is said why nothing is known.
fn one_source(family: Family) -> Result<(), Failed> {
    let mut limited = 0;
    for read in scan("one-source", family, "1-1000", "")? {
        let words = (read.state, read.reason.0.as_str());
        let expected = match read.port {
            7 => (PortState::Open, "udp-response"),
            _ if words.1 == "rate-limited" => (PortState::OpenFiltered, "rate-limited"),
            _ => (PortState::Closed, "port-unreach"),
        };
        if words != expected {
            return Err(format!("{read:?}").into());
        }
        limited += usize::from(words.1 == "rate-limited");
    }
    if limited > 0 { Ok(()) } else { Err("no port met the limit, so that nothing was shown".into()) }
}

fn many_sources(family: Family) -> Result<(), Failed> {
    let wrong: Vec<CellRead> = scan("many-sources", family, "10-1009", "sources = 256\n")?
        .into_iter()
        .filter(|read| (read.state, read.reason.0.as_str()) != (PortState::Closed, "port-unreach"))
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} of 1,000: {:?}", wrong.len(), wrong[0]).into()) }
}
