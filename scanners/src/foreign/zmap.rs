//! zmap: made for one port of many hosts, so that each port of a host is a run of its own, which waits a second for
//! late answers. As measured with Debian's 2.1.1: it names closed ports when it is asked to, and no ICMP error.

use std::collections::BTreeMap;

use scandrill_model::{CellRead, CommandLine, Reason, Reply, ScanResult, TcpFlags, Technique, state_of};

use super::{Foreign, Habits, Nic, SourceOwner, check_addresses, ethernet, insert, refuse, with_silence};
use crate::error::ScanError;
use crate::evasion::{Evasion, Sources, SynShape};
use crate::order::ordered;
use crate::plan::{Detect, ScanPlan};

/// See the module.
pub(super) struct Zmap;

impl Foreign for Zmap {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, plan: &ScanPlan) -> Result<(), ScanError> {
        let Evasion { decoys, sources, fragment, ttl, bad_checksum, data_length, syn, .. } = &plan.evasion;
        let known = [Technique::TcpSyn, Technique::IcmpEcho].contains(&plan.technique);
        let port = plan.evasion.source_port.is_some();
        let packets = fragment.is_some() || *bad_checksum || *data_length > 0 || ttl.is_some();
        let demands = [
            ("any technique but tcp-syn and icmp-echo", !known),
            ("IPv6", plan.target.is_ipv6()),
            ("more than 64 ports", plan.ports.len() > PORTS_MAX),
            ("jitter", plan.pace.jitter_percent > 0),
            ("bursts", plan.pace.burst.is_some()),
            ("a pace but its own", !plan.interval().is_zero()),
            ("decoys", !decoys.is_empty()),
            ("a pool of sources", matches!(sources, Sources::Pool { .. })),
            ("a source port of a ping", port && plan.technique == Technique::IcmpEcho),
            ("fragments, bad checksums, extra data or a time to live", packets),
            ("another scanner's SYN", ![SynShape::Own, SynShape::Zmap].contains(syn)),
            ("detection", plan.detect != Detect::default()),
        ];
        check_addresses(plan)?;
        refuse(NAME, &demands)
    }

    fn commands(&self, plan: &ScanPlan, nic: &Nic) -> Vec<CommandLine> {
        ordered(plan).into_iter().map(|port| command(plan, nic, port)).collect()
    }

    fn parse(&self, outputs: &[Vec<u8>], plan: &ScanPlan) -> Result<ScanResult, ScanError> {
        let ports = ordered(plan);
        if outputs.len() != ports.len() {
            let told = format!("{} reports of {} runs", outputs.len(), ports.len());
            return Err(ScanError::Report(told));
        }
        let mut heard = BTreeMap::new();
        for (output, port) in outputs.iter().zip(ports) {
            for cell in cells(output, port, plan)? {
                insert(&mut heard, cell, plan)?;
            }
        }
        Ok(with_silence(&heard, plan))
    }

    fn habits(&self) -> Habits {
        Habits { source: SourceOwner::Scanner, needs_frames: false }
    }
}

const NAME: &str = "zmap";

/// A run takes a second: a scan of more would not end within a case.
const PORTS_MAX: usize = 64;

/// No file of the machine's, which would forbid 198.18.0.0/15 (/etc/zmap/blacklist.conf); no log; a second for late
/// answers, since with none nothing is heard; every answer once.
const ALWAYS: &str =
    "-C /dev/null -b /dev/null -q -v 0 --disable-syslog -c 1 -O csv --output-filter repeat=0";

/// What is asked of an answer.
const COLUMNS: [&str; 3] = ["saddr", "classification", "ttl"];

fn command(plan: &ScanPlan, nic: &Nic, port: u16) -> CommandLine {
    let mut args: Vec<String> = ALWAYS.split(' ').map(str::to_owned).collect();
    let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
    option("-f", COLUMNS.join(","));
    option("-i", nic.interface.clone());
    option("-S", plan.source.to_string());
    option("--source-mac", ethernet(nic.address));
    option("-G", ethernet(nic.next_hop));
    option("-e", plan.seed.to_string());
    if let Some(port) = plan.evasion.source_port {
        option("-s", port.to_string());
    }
    if plan.technique == Technique::IcmpEcho {
        option("-M", "icmp_echoscan".to_owned());
    } else {
        option("-p", port.to_string());
    }
    args.push(plan.target.to_string());
    CommandLine { program: NAME.to_owned(), args }
}

/// One run's answers: a line of column names, then a line for each.
fn cells(output: &[u8], port: u16, plan: &ScanPlan) -> Result<Vec<CellRead>, ScanError> {
    let text = std::str::from_utf8(output).map_err(|error| ScanError::Report(error.to_string()))?;
    let Some((header, rows)) = text.split_once('\n') else {
        return Err(ScanError::Unfinished("it has no line of column names".to_owned()));
    };
    if !rows.is_empty() && !rows.ends_with('\n') {
        return Err(ScanError::Unfinished("its last line is cut".to_owned()));
    }
    let [address, class, ttl] = COLUMNS.map(|name| header.split(',').position(|column| column == name));
    let (Some(address), Some(class), Some(ttl)) = (address, class, ttl) else {
        return Err(ScanError::Report(format!("it lacks columns: `{header}`")));
    };
    let fields = |row: &str| [address, class, ttl].map(|index| row.split(',').nth(index).map(str::to_owned));
    rows.lines()
        .map(|row| match fields(row) {
            [Some(address), Some(class), Some(ttl)] => cell([&address, &class, &ttl], port, plan),
            _ => Err(ScanError::Report(format!("nobody understands `{row}`"))),
        })
        .collect()
}

fn cell([address, class, ttl]: [&str; 3], port: u16, plan: &ScanPlan) -> Result<CellRead, ScanError> {
    if address.parse() != Ok(plan.target) {
        return Err(ScanError::Report(format!("it speaks of host {address}")));
    }
    let reply = match (plan.technique, class) {
        (Technique::TcpSyn, "synack") => Reply::Tcp { flags: TcpFlags::SYN | TcpFlags::ACK, window: 0 },
        (Technique::TcpSyn, "rst") => Reply::Tcp { flags: TcpFlags::RST, window: 0 },
        (Technique::IcmpEcho, "echoreply") => Reply::EchoReply,
        _ => return Err(ScanError::Report(format!("unknown answer `{class}` to {}", plan.technique))),
    };
    let ttl = ttl.parse().map_err(|_| ScanError::Report(format!("`{ttl}` is no time to live")))?;
    let (state, reason) = (state_of(plan.technique, Some(reply)), Reason::of(plan.technique, Some(reply)));
    Ok(CellRead { ttl: Some(ttl), probes: Some(1), ..CellRead::new(port, state, reason) })
}

/// The outputs in `testdata` were written by zmap 2.1.1 in a lab, with more columns than are asked for here.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::tests::{nic, plan};
    use crate::plan::Order;

    const OPEN: &str = include_str!("../../testdata/zmap-syn-open.csv");
    const CLOSED: &str = include_str!("../../testdata/zmap-syn-closed.csv");
    const DROPPED: &str = include_str!("../../testdata/zmap-syn-silent.csv");
    const ECHO: &str = include_str!("../../testdata/zmap-icmp.csv");

    fn ascending(ports: &str) -> ScanPlan {
        ScanPlan { order: Order::Ascending, ..plan(Technique::TcpSyn, ports, false) }
    }

    fn read(outputs: &[&str], plan: &ScanPlan) -> Result<Vec<String>, ScanError> {
        let outputs: Vec<Vec<u8>> = outputs.iter().map(|text| text.as_bytes().to_vec()).collect();
        let groups = Zmap.parse(&outputs, plan)?.groups.into_iter();
        Ok(groups.map(|it| format!("{} {} {:?} {}", it.state, it.reason.0, it.ttl, it.ports)).collect())
    }

    #[test]
    fn each_port_is_a_run() {
        let commands = Zmap.commands(&ascending("22-23"), &nic());
        let texts: Vec<String> = commands.iter().map(|command| command.args.join(" ")).collect();
        let text = |port| {
            format!(
                "{ALWAYS} -f saddr,classification,ttl -i eth0 -S 198.18.0.2 --source-mac 02:00:00:00:00:02 \
                 -G 02:00:00:00:00:1f -e 1 -p {port} 198.18.0.1"
            )
        };
        assert_eq!(texts, [text(22), text(23)]);
        let ping = Zmap.commands(&plan(Technique::IcmpEcho, "", false), &nic());
        assert!(ping[0].args.join(" ").ends_with(" -M icmp_echoscan 198.18.0.1") && ping.len() == 1);
    }

    #[test]
    fn answers_are_read_by_their_run_and_the_rest_is_said_to_be_missing() {
        assert_eq!(
            read(&[OPEN, CLOSED, DROPPED], &ascending("22-24")),
            Ok(vec![
                "open syn-ack Some(64) 22".to_owned(),
                "closed reset Some(64) 23".to_owned(),
                "filtered not-reported None 24".to_owned(),
            ])
        );
    }

    #[test]
    fn a_ping_reads_the_host_as_port_0() {
        let ping = plan(Technique::IcmpEcho, "", false);
        assert_eq!(read(&[ECHO], &ping), Ok(vec!["open echo-reply Some(64) 0".to_owned()]));
    }

    #[test]
    fn an_output_that_is_cut_or_of_something_else_is_an_error() {
        let (other, twice) = (
            CLOSED.replace("198.18.0.1,", "198.18.0.9,"),
            format!("{CLOSED}{}", CLOSED.lines().last().unwrap_or_default().to_owned() + "\n"),
        );
        for wrong in [&CLOSED[..12], &CLOSED[..CLOSED.len() - 4], &CLOSED[..CLOSED.len() - 1], &other, &twice]
        {
            assert!(read(&[wrong], &ascending("22")).is_err(), "{wrong:?}");
        }
        assert!(read(&[OPEN], &ascending("22-23")).is_err());
    }

    #[test]
    fn a_host_s_every_port_is_too_much() {
        let refused = Zmap.check(&ascending("1-65")).unwrap_err().to_string();
        assert_eq!(refused, "scanning with zmap: it cannot do more than 64 ports");
        assert_eq!(Zmap.check(&ascending("1-64")), Ok(()));
    }
}
