//! The kernel's own counters of a host's network namespace: what its protocols and its connection tracking count.
//!
//! A name is `Group.Counter`: those of `/proc/net/netstat` and `/proc/net/snmp` as they stand there (`TcpExt.ListenDrops`,
//! `Tcp.OutRsts`), those of `/proc/net/snmp6` with their group set off (`Ip6.InReceives`), and as `conntrack.drop` those of
//! `/proc/net/stat/nf_conntrack`, summed over the processors. `conntrack.count` is how many connections are tracked.

use std::collections::BTreeMap;
use std::fs;

use crate::error::{During, LabError};
use crate::host::Host;
use crate::sysctl;

/// All counters of a host by their names.
pub type Counters = BTreeMap<String, u64>;

/// The group of what connection tracking counts.
const CONNTRACK: &str = "conntrack";
/// The groups of `/proc/net/snmp6`, whose names begin with them.
const OF_IPV6: [&str; 4] = ["UdpLite6", "Udp6", "Icmp6", "Ip6"];

/// Reads all counters of `host`.
pub async fn counters(host: &Host) -> Result<Counters, LabError> {
    host.blocking(|| {
        let mut counters = Counters::new();
        for file in ["/proc/thread-self/net/netstat", "/proc/thread-self/net/snmp"] {
            counters.extend(of_groups(&read(file)?));
        }
        counters.extend(of_snmp6(&read("/proc/thread-self/net/snmp6")?));
        // Absent where connection tracking is.
        let tracking = fs::read_to_string("/proc/thread-self/net/stat/nf_conntrack").unwrap_or_default();
        counters.extend(of_processors(&tracking));
        let tracked = sysctl::get("net.netfilter.nf_conntrack_count").ok();
        let tracked = tracked.and_then(|count| count.parse().ok());
        counters.extend(tracked.map(|count| (format!("{CONNTRACK}.count"), count)));
        Ok(counters)
    })
    .await?
}

/// How many connections this machine tracks at most, in each of its network namespaces.
pub async fn conntrack_max(host: &Host) -> Result<u64, LabError> {
    let key = "net.netfilter.nf_conntrack_max";
    let text = host.blocking(move || sysctl::get(key)).await??;
    text.parse().map_err(|_| LabError::Sysctl {
        key: key.to_owned(),
        expected: "a number".to_owned(),
        observed: text,
    })
}

fn read(file: &str) -> Result<String, LabError> {
    fs::read_to_string(file).during(|| format!("read {file}"))
}

/// Two lines a group: its name and the counters' names, then its name and their values.
fn of_groups(text: &str) -> Vec<(String, u64)> {
    let lines: Vec<&str> = text.lines().collect();
    let pair = |pair: &[&str]| -> Vec<(String, u64)> {
        let [names, values] = [pair[0], pair[1]].map(|line| line.split_once(": ").unwrap_or_default());
        let both = names.1.split_whitespace().zip(values.1.split_whitespace());
        // `Tcp: MaxConn` is -1, where there is no limit; it counts nothing.
        both.filter_map(|(name, value)| Some((format!("{}.{name}", names.0), value.parse().ok()?))).collect()
    };
    lines.chunks_exact(2).flat_map(pair).collect()
}

/// A counter and its value on each line.
fn of_snmp6(text: &str) -> Vec<(String, u64)> {
    let line = |line: &str| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        let (group, name) = OF_IPV6.iter().find_map(|group| Some((group, name.strip_prefix(group)?)))?;
        Some((format!("{group}.{name}"), value.trim().parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// A line of names, then one of hexadecimal values for each processor. `entries` is the same number in each, and is left
/// out.
fn of_processors(text: &str) -> Vec<(String, u64)> {
    let mut lines = text.lines();
    let names = lines.next().unwrap_or_default().split_whitespace();
    let mut counters: Vec<(String, u64)> = names.map(|name| (format!("{CONNTRACK}.{name}"), 0)).collect();
    for line in lines {
        for ((_, sum), value) in counters.iter_mut().zip(line.split_whitespace()) {
            *sum += u64::from_str_radix(value, 16).unwrap_or_default();
        }
    }
    counters.into_iter().skip(1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_a_line_of_names_and_one_of_values() {
        let text = "Tcp: RtoAlgorithm MaxConn OutRsts\nTcp: 1 -1 19\nUdp: InDatagrams\nUdp: 7\n";
        let read = of_groups(text);
        let all: Vec<(&str, u64)> = read.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(all, [("Tcp.RtoAlgorithm", 1), ("Tcp.OutRsts", 19), ("Udp.InDatagrams", 7)]);
    }

    #[test]
    fn a_counter_of_ipv6_has_the_longest_group_that_fits() {
        let text = "Ip6InReceives                   \t5\nUdpLite6InErrors \t2\nIcmp6OutType3\t9\n";
        let read = of_snmp6(text);
        let all: Vec<(&str, u64)> = read.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(all, [("Ip6.InReceives", 5), ("UdpLite6.InErrors", 2), ("Icmp6.OutType3", 9)]);
    }

    #[test]
    fn tracking_counts_on_each_processor_in_hexadecimal() {
        let text = "entries  clashres drop\n00000004  00000000 0000000a\n00000004  00000001 00000006\n";
        let read = of_processors(text);
        let all: Vec<(&str, u64)> = read.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(all, [("conntrack.clashres", 1), ("conntrack.drop", 16)]);
        assert!(of_processors("").is_empty());
    }
}
