//! nmap's command line for a plan.

use std::net::IpAddr;
use std::time::Duration;

use scandrill_model::{Asks, CommandLine, TcpFlags, Technique};

use super::NAME;
use crate::evasion::Evasion;
use crate::plan::{Detect, Order, ScanPlan};

/// Options of every call: no name look-ups, raw packets although the caller may not look like root, reasons in the
/// report, the report on standard output.
const ALWAYS: [&str; 6] = ["--privileged", "-n", "--reason", "-oX", "-", "--no-stylesheet"];

/// The command that runs `plan`, which nmap must not refuse, through `interface`. The report needs no more verbosity
/// than that: since 7.80 its summaries (`extrareasons`) list their ports.
pub fn command(plan: &ScanPlan, interface: &str) -> CommandLine {
    let mut args = owned(&ALWAYS);
    args.extend(technique(plan));
    if plan.target.is_ipv6() {
        args.push("-6".to_owned());
    }
    args.extend(["-e".to_owned(), interface.to_owned(), "-S".to_owned(), plan.source.to_string()]);
    args.push(format!("-{}", plan.timing));
    args.extend(pace(plan));
    args.extend(evasion(&plan.evasion));
    args.extend(detection(plan.detect));
    args.extend(what(plan));
    args.push(plan.target.to_string());
    CommandLine { program: NAME.to_owned(), args }
}

fn owned(options: &[&str]) -> Vec<String> {
    options.iter().map(|&option| option.to_owned()).collect()
}

/// A scan of the local network's neighbours needs no option but the absence of others (-PR is deprecated, and said so
/// amid the report).
fn technique(plan: &ScanPlan) -> Vec<String> {
    match plan.technique {
        Technique::TcpSyn => owned(&["-sS"]),
        Technique::TcpConnect => owned(&["-sT"]),
        Technique::TcpNull => owned(&["-sN"]),
        Technique::TcpFin => owned(&["-sF"]),
        Technique::TcpXmas => owned(&["-sX"]),
        Technique::TcpAck => owned(&["-sA"]),
        Technique::TcpWindow => owned(&["-sW"]),
        Technique::TcpMaimon => owned(&["-sM"]),
        Technique::TcpFlags(flags) => owned(&["-sS", "--scanflags", &scanflags(flags)]),
        Technique::Udp => owned(&["-sU"]),
        Technique::SctpInit => owned(&["-sY"]),
        Technique::IpProtocol => owned(&["-sO"]),
        Technique::IcmpEcho => owned(&["-sn", "-PE"]),
        Technique::IcmpTimestamp => owned(&["-sn", "-PP"]),
        Technique::IcmpNetmask => owned(&["-sn", "-PM"]),
        Technique::Arp => owned(&["-sn"]),
        Technique::Idle => {
            let zombie = plan.zombie.map(|zombie| format!("{}:{}", zombie.address, zombie.port));
            zombie.map_or_else(Vec::new, |zombie| owned(&["-sI", &zombie]))
        }
    }
}

/// `SYNFIN`; no flag at all has no name, but a number.
fn scanflags(flags: TcpFlags) -> String {
    if flags == TcpFlags::NONE { "0".to_owned() } else { flags.to_string().replace(',', "") }
}

/// The same delay always: nmap would lengthen it by itself where probes are lost. It counts delays in milliseconds, so
/// that any other interval is a rate, which it keeps less exactly: 1.43 ms for 1.5 ms, 9.88 ms for 10 ms.
fn pace(plan: &ScanPlan) -> Vec<String> {
    let Some(interval) = plan.pace.interval.filter(|interval| !interval.is_zero()) else { return Vec::new() };
    if interval.subsec_nanos() % 1_000_000 == 0 {
        let delay = format!("{}ms", interval.as_millis());
        return owned(&["--scan-delay", &delay, "--max-scan-delay", &delay]);
    }
    let rate = format!("{:.3}", Duration::from_secs(1).div_duration_f64(interval));
    owned(&["--min-rate", &rate, "--max-rate", &rate])
}

fn evasion(evasion: &Evasion) -> Vec<String> {
    let mut args = Vec::new();
    let mut option = |name: &str, value: Option<String>| {
        args.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
    };
    option("-g", evasion.source_port.map(|port| port.to_string()));
    option("-D", decoys(&evasion.decoys));
    option("--mtu", evasion.fragment.map(|size| size.to_string()));
    option("--ttl", evasion.ttl.map(|ttl| ttl.to_string()));
    option("--data-length", Some(evasion.data_length).filter(|length| *length > 0).map(|it| it.to_string()));
    if evasion.bad_checksum {
        args.push("--badsum".to_owned());
    }
    args
}

/// The scanner's own address is in their midst.
fn decoys(decoys: &[IpAddr]) -> Option<String> {
    let mut words: Vec<String> = decoys.iter().map(IpAddr::to_string).collect();
    words.insert(words.len().div_ceil(2), "ME".to_owned());
    (words.len() > 1).then(|| words.join(","))
}

/// One try at the system: a second one costs seconds and guesses the same in a lab.
fn detection(detect: Detect) -> Vec<String> {
    let system: &[&str] = if detect.system { &["-O", "--osscan-guess", "--max-os-tries", "1"] } else { &[] };
    let services: &[&str] = if detect.services { &["-sV"] } else { &[] };
    owned(&[system, services].concat())
}

/// A ping must be the ICMP one that was asked for, not ARP's or neighbour discovery's, and tells of a silent host only
/// when it is verbose. A port scan asks for no ping, but keeps the ARP one: from it nmap learns the round trip time,
/// without which 1,000 silent ports took 101 s instead of 21.
fn what(plan: &ScanPlan) -> Vec<String> {
    if plan.technique.asks() == Asks::Host {
        let ping: &[&str] = if plan.technique == Technique::Arp { &[] } else { &["--disable-arp-ping"] };
        return owned(&[&["-v"], ping].concat());
    }
    let mut args = owned(&["-Pn", "-p", &plan.ports.to_string()]);
    if spoils_neighbour_discovery(plan) {
        args.push("--disable-arp-ping".to_owned());
    }
    if plan.order == Order::Ascending {
        args.push("-r".to_owned());
    }
    args
}

/// nmap's neighbour solicitations are evasive, too: nobody answers those with a hop limit under 255 or a bad checksum
/// (RFC 4861, section 7.1.1), and nmap then scans no port, -Pn or not.
fn spoils_neighbour_discovery(plan: &ScanPlan) -> bool {
    plan.target.is_ipv6() && (plan.evasion.ttl.is_some() || plan.evasion.bad_checksum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::tests::plan;
    use crate::pace::Pace;
    use crate::plan::Zombie;
    use crate::timing::Timing;

    fn ascending(technique: Technique) -> ScanPlan {
        ScanPlan { order: Order::Ascending, ..plan(technique, "22,80-90", false) }
    }

    /// Without the options of every call.
    fn text(plan: &ScanPlan) -> String {
        let text = command(plan, "eth0").args.join(" ");
        let rest = text.strip_prefix("--privileged -n --reason -oX - --no-stylesheet ").unwrap();
        rest.to_owned()
    }

    #[test]
    fn a_port_scan_asks_for_the_plan_s_ports_order_and_pace() {
        let pace = |micros| Pace { interval: Some(Duration::from_micros(micros)), ..Pace::default() };
        let plan = ScanPlan { pace: pace(300_000), ..ascending(Technique::TcpXmas) };
        assert_eq!(
            text(&plan),
            "-sX -e eth0 -S 198.18.0.2 -T4 --scan-delay 300ms --max-scan-delay 300ms -Pn -p 22,80-90 -r 198.18.0.1"
        );
        let plan = ScanPlan { pace: pace(1_500), ..ascending(Technique::TcpSyn) };
        assert_eq!(
            text(&plan),
            "-sS -e eth0 -S 198.18.0.2 -T4 --min-rate 666.667 --max-rate 666.667 -Pn -p 22,80-90 -r 198.18.0.1"
        );
    }

    #[test]
    fn a_ping_over_ipv6_is_an_echo_request() {
        let plan = ScanPlan { timing: Timing::T1, ..plan(Technique::IcmpEcho, "", true) };
        assert_eq!(
            text(&plan),
            "-sn -PE -6 -e eth0 -S fd00:198:18::2 -T1 -v --disable-arp-ping fd00:198:18::1"
        );
    }

    #[test]
    fn every_evasion_has_its_option() {
        let evasion = Evasion {
            source_port: Some(53),
            decoys: ["198.18.0.8", "198.18.0.9"].map(|text| text.parse().unwrap()).into(),
            fragment: Some(24),
            ttl: Some(33),
            bad_checksum: true,
            ..Evasion::default()
        };
        let plan = ScanPlan { evasion, ..ascending(Technique::TcpFlags(TcpFlags::SYN | TcpFlags::FIN)) };
        assert_eq!(super::super::check(&plan), Ok(()));
        assert_eq!(
            text(&plan),
            "-sS --scanflags SYNFIN -e eth0 -S 198.18.0.2 -T4 -g 53 -D 198.18.0.8,ME,198.18.0.9 --mtu 24 --ttl 33 \
             --badsum -Pn -p 22,80-90 -r 198.18.0.1"
        );
    }

    #[test]
    fn a_datagram_can_have_a_source_port_and_extra_data() {
        let evasion = Evasion { source_port: Some(53), data_length: 20, ..Evasion::default() };
        let plan = ScanPlan { evasion, ..ascending(Technique::Udp) };
        assert_eq!(super::super::check(&plan), Ok(()));
        assert!(text(&plan).contains(" -g 53 --data-length 20 "), "{}", text(&plan));
    }

    #[test]
    fn a_hop_limit_must_not_spoil_neighbour_discovery() {
        let evasion = Evasion { ttl: Some(33), ..Evasion::default() };
        let plan = ScanPlan { evasion, ..plan(Technique::SctpInit, "22", true) };
        assert_eq!(
            text(&plan),
            "-sY -6 -e eth0 -S fd00:198:18::2 -T4 --ttl 33 -Pn -p 22 --disable-arp-ping fd00:198:18::1"
        );
    }

    #[test]
    fn a_zombie_and_guesses_are_asked_for() {
        let zombie = Zombie { address: "198.18.0.3".parse().unwrap(), port: 81 };
        let idle = ScanPlan { zombie: Some(zombie), ..ascending(Technique::Idle) };
        assert!(text(&idle).starts_with("-sI 198.18.0.3:81 -e eth0 "), "{}", text(&idle));
        let detect = Detect { system: true, services: true };
        let guessing = ScanPlan { detect, ..ascending(Technique::TcpSyn) };
        assert!(
            text(&guessing).contains(" -O --osscan-guess --max-os-tries 1 -sV -Pn "),
            "{}",
            text(&guessing)
        );
    }

    #[test]
    fn what_nmap_leaves_out_or_fails_at_is_refused_by_name() {
        let ttl = Evasion { ttl: Some(9), ..Evasion::default() };
        let port = Evasion { source_port: Some(9), ..Evasion::default() };
        let pieces = Evasion { fragment: Some(8), ..Evasion::default() };
        let data = Evasion { data_length: 9, ..port.clone() };
        for (technique, ports, v6, evasion, what) in [
            (Technique::TcpConnect, "22", true, &ttl, "a hop limit of connecting sockets"),
            (Technique::TcpConnect, "22", false, &port, "a source port of connecting sockets"),
            (Technique::TcpAck, "22", false, &data, "extra data behind a source port of TCP's"),
            (Technique::Udp, "22", false, &pieces, "fragments of anything but TCP over IPv4"),
            (Technique::TcpSyn, "22", true, &pieces, "fragments of anything but TCP over IPv4"),
            (Technique::IpProtocol, "6,256", false, &ttl, "protocols above 255"),
            (Technique::Idle, "22", false, &ttl, "an idle scan without a zombie"),
        ] {
            let plan = ScanPlan { evasion: evasion.clone(), ..plan(technique, ports, v6) };
            let refused = super::super::check(&plan).unwrap_err().to_string();
            assert_eq!(refused, format!("scanning with nmap: it cannot do {what}"));
        }
    }
}
