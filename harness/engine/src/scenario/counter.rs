//! From a `[[counter]]` table to what is counted.

use std::ops::Range;

use scandrill_model::Bound;

use super::expect::{Located, at, bound};
use super::file::{At, CounterTable};
use super::read::name_of;
use super::words::Wrong;
use crate::bad_file::nearest;

/// Whose kernel counts unless the file says otherwise.
const HOST: &str = "target";

/// The groups of counters that kernels have; which counters there are, the one that runs says.
const GROUPS: [&str; 15] = [
    "TcpExt",
    "IpExt",
    "MPTcpExt",
    "Ip",
    "Icmp",
    "IcmpMsg",
    "Tcp",
    "Udp",
    "UdpLite",
    "Ip6",
    "Icmp6",
    "Udp6",
    "UdpLite6",
    "Sctp",
    "conntrack",
];

/// A counter of a host's kernel.
#[derive(Clone, Debug)]
pub struct Counter {
    /// Unique among all actors and counters.
    pub name: String,
    /// Whose kernel's.
    pub host: String,
    /// What is counted.
    pub counts: String,
    /// By how much it grows.
    pub expect: Bound,
    /// Its place in the file.
    pub span: Range<usize>,
}

/// Understands all counters.
pub fn counters(tables: &[At<CounterTable>]) -> Located<Vec<Counter>> {
    let counter = |(index, table): (usize, &At<CounterTable>)| {
        let (span, table) = (table.span.clone(), &table.value);
        Ok(Counter {
            name: name_of(table.name.as_ref(), "counter", index),
            host: table.host.as_ref().map_or_else(|| HOST.to_owned(), |host| host.value.clone()),
            counts: at(&table.counts, |text| of_a_group(text))?,
            expect: at(&table.expect, bound)?,
            span,
        })
    };
    tables.iter().enumerate().map(counter).collect()
}

fn of_a_group(text: &str) -> Result<String, Wrong> {
    let help = "write it as `TcpExt.ListenDrops` or `conntrack.drop`";
    let (group, _) =
        text.split_once('.').ok_or_else(|| Wrong::new(format!("`{text}` is not a counter"), help))?;
    if GROUPS.contains(&group) {
        return Ok(text.to_owned());
    }
    let help = match nearest(group, GROUPS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", GROUPS.join(", ")),
    };
    Err(Wrong::new(format!("unknown group of counters `{group}`"), help))
}
