//! The kernel log of a host: rules of every tool, written as administrators write them, and the very lines of it.

use std::fs;

use scandrill_lab::{Heard, Host, KernelLog, Lab, LabError, PacketSocket, Wanted, wait};
use scandrill_model::CommandLine;

use crate::inside::{Done, Job, PATIENCE, within};
use crate::packets::{long_udp_v4, udp_v4, udp_v6};
use crate::plans;
use crate::wire::TARGET_MAC;

pub const JOBS: &[(&str, Job)] = &[
    ("what_a_rule_logs_is_in_the_kernel_log_whoever_made_the_rule", |_| within(lines())),
    ("a_rule_that_logs_is_listed_asked_for_and_taken_off_as_it_was_typed", |_| within(listed())),
    ("a_tool_that_refuses_a_rule_that_logs_names_the_users_own_line", |_| within(refused())),
    ("a_log_that_is_moved_away_is_written_until_a_hangup", |_| within(rotated())),
    ("a_flood_of_logged_packets_is_counted", |_| within(flooded())),
];

const LOG: &str = "/var/log/kern.log";

/// How a packet to port 53 is told, after the prefix.
const V4: &str = "IN=eth0 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:02:08:00 SRC=198.18.0.2 DST=198.18.0.1 LEN=36 \
                  TOS=0x00 PREC=0x00 TTL=61 ID=4660 PROTO=UDP SPT=40000 DPT=53 LEN=16 ";
const V6: &str = "IN=eth0 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:02:86:dd \
                  SRC=fd00:0198:0018:0000:0000:0000:0000:0002 DST=fd00:0198:0018:0000:0000:0000:0000:0001 LEN=56 TC=0 \
                  HOPLIMIT=61 FLOWLBL=0 PROTO=UDP SPT=40000 DPT=53 LEN=16 ";

const TABLE: &str = "nft add table inet t; nft add chain inet t c '{ type filter hook input priority 0; }'";

/// Commands of bash that make one rule for UDP with the prefix `log it: `, and whether it is one of IPv6.
const RULES: &[(&str, bool)] = &[
    ("iptables-nft -A INPUT -p udp -j LOG --log-prefix 'log it: '", false),
    ("iptables-legacy -I INPUT -p udp -j LOG --log-level debug --log-prefix 'log it: '", false),
    ("ip6tables-nft -A INPUT -p udp --jump LOG --log-prefix='log it: ' --log-uid", true),
    ("ip6tables-legacy -t mangle -A PREROUTING --log-pre 'log it: ' -j LOG -p udp", true),
    ("/usr/sbin/iptables -A INPUT -p udp -j LOG --log-prefix 'log it: '", false),
    ("/sbin/ip6tables -A INPUT -p udp -j LOG --log-prefix 'log it: '", true),
    ("xtables-nft-multi iptables -A INPUT -p udp -j LOG --log-prefix 'log it: '", false),
    ("iptables-restore <<< $'*filter\n-A INPUT -p udp -j LOG --log-prefix \"log it: \"\nCOMMIT'", false),
    (
        "echo $'*raw\n-A PREROUTING -p udp -j LOG --log-prefix \"log it: \"\nCOMMIT' > /tmp/rules\n\
         ip6tables-legacy-restore -w 5 /tmp/rules; grep -q 'j LOG' /tmp/rules",
        true,
    ),
    ("nft add rule inet t c meta l4proto udp log prefix '\"log it: \"'", true),
    ("nft add rule inet t c meta l4proto udp 'log prefix \"log it: \" level info flags skuid'", false),
    (
        "echo 'add rule inet t c meta l4proto udp log level debug prefix \"log it: \"' > /tmp/x.nft\n\
         nft -f /tmp/x.nft; grep -q 'log level debug prefix' /tmp/x.nft",
        true,
    ),
    ("echo 'add rule inet t c meta l4proto udp log prefix \"log it: \"' | nft -f -", false),
    ("nft -f <(echo 'add rule inet t c meta l4proto udp log prefix \"log it: \"')", false),
    (
        "mkdir -p /tmp/d; echo 'add rule inet t c meta l4proto udp log prefix \"log it: \"' > /tmp/d/x.nft\n\
         echo 'include \"d/*.nft\"' > /tmp/main.nft; nft -I /tmp --file=/tmp/main.nft",
        true,
    ),
    (
        "echo '{\"nftables\": [{\"add\": {\"rule\": {\"family\": \"inet\", \"table\": \"t\", \"chain\": \"c\", \"expr\": \
         [{\"match\": {\"op\": \"==\", \"left\": {\"meta\": {\"key\": \"l4proto\"}}, \"right\": \"udp\"}}, \
         {\"log\": {\"prefix\": \"log it: \"}}]}}}]}' | nft -j -f -",
        true,
    ),
];

async fn lines() -> Done {
    for (rule, is_v6) in RULES {
        let lab = Lab::build(&plans::pair()).await?;
        let (target, red) = (lab.host("target")?, lab.host("red")?);
        let before = fs::read_to_string(LOG).unwrap_or_default().len();
        let log = KernelLog::start(target).await?;
        bash(target, &format!("{TABLE}\n{rule}")).await?;
        send(red, vec![if *is_v6 { udp_v6() } else { udp_v4() }]).await?;
        let line = wait::until("a line in the kernel log", PATIENCE, async || {
            let written = fs::read_to_string(LOG).unwrap();
            Ok(written[before..].strip_suffix('\n').map(str::to_owned))
        });
        let line = line.await.map_err(|error| format!("{rule}: {error}"))?;
        let (stamp, told) = line.split_once("] ").unwrap();
        assert_eq!(told, format!("log it: {}", if *is_v6 { V6 } else { V4 }), "{rule}");
        let (time, kernel) = stamp.split_once(" scandrill kernel: [").unwrap();
        assert!(time.ends_with("+00:00") && time.len() == "2026-11-25T20:26:12.123456+00:00".len(), "{time}");
        assert!(kernel.trim_start().parse::<f64>().unwrap() > 0.0, "{kernel}");
        let Heard { lines, lost, .. } = log.stop().await?;
        assert_eq!((lines, lost), (1, 0), "{rule}");
        lab.remove().await?;
    }
    assert_eq!(fs::read(LOG)?, fs::read("/var/log/syslog")?);
    Ok(())
}

async fn listed() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    let rule = "INPUT -p udp -j LOG --log-prefix \"log \\\"it\\\": \" --log-level 7 --log-tcp-sequence --log-macdecode";
    for tool in ["iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"] {
        bash(target, &format!("{tool} -A {rule}")).await?;
        for listing in ["-S INPUT", "-save"] {
            let listing =
                if listing == "-save" { format!("{tool}-save") } else { format!("{tool} {listing}") };
            let said = bash(target, &listing).await?;
            assert!(said.lines().any(|line| line == format!("-A {rule}")), "{listing}: {said}");
        }
        let said = bash(target, &format!("{tool} -nL INPUT")).await?;
        assert!(said.contains("LOG flags 33 level 7 prefix \"log \"it\": \""), "{said}");
        bash(target, &format!("{tool} -C {rule}; {tool}-save > /tmp/saved; {tool}-restore < /tmp/saved"))
            .await?;
        bash(target, &format!("{tool} -D {rule}; test $({tool} -S | grep -c LOG) = 0")).await?;
    }
    let rule = "log prefix \"log it: \" level debug flags tcp sequence,options flags skuid";
    bash(target, &format!("{TABLE}; nft add rule inet t c '{rule}'; nft list ruleset > /tmp/r")).await?;
    let said = bash(target, "nft flush ruleset; nft -f /tmp/r; nft list chain inet t c").await?;
    assert!(said.lines().any(|line| line.trim() == rule), "{said}");
    Ok(lab.remove().await?)
}

/// Commands that fail, and what they must say.
const REFUSED: &[(&str, &str)] = &[
    ("iptables -A INPUT -j LOG --log-level loud", "log level \"loud\" unknown"),
    ("iptables -A INPUT -j LOG --log-prefix a --log-prefix b", "can only be used once"),
    ("iptables -A NOWHERE -j LOG", "No chain/target/match by that name"),
    (
        "echo $'*filter\n-A INPUT -j LOG\n-A INPUT -j LOG --no\nCOMMIT' > /tmp/r; iptables-legacy-restore /tmp/r",
        "Error occurred at line: 3",
    ),
    ("echo $'add table ip x\nadd rule ip x y log\n' > /tmp/r.nft; nft -f /tmp/r.nft", "/tmp/r.nft:2:"),
    (
        "echo 'include \"/tmp/i.nft\"' > /tmp/r.nft; echo 'log loud' > /tmp/i.nft; nft -f /tmp/r.nft",
        "/tmp/i.nft:1:",
    ),
    ("nft -f /nowhere", "/nowhere"),
];

async fn refused() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    for (command, words) in REFUSED {
        let says = bash(target, command).await.unwrap_err().to_string();
        assert!(says.contains(words), "{command}: {says}");
    }
    Ok(lab.remove().await?)
}

const FLOOD: usize = 20_000;

/// Counts what the two rules of [`flooded`] have logged.
const COUNT: &str = "iptables -t raw -vnxL PREROUTING | awk '/ LOG /{ logged += $1 } END { print logged }'";

/// As logrotate rotates the log of rsyslog.
async fn rotated() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let (target, red) = (lab.host("target")?, lab.host("red")?);
    let log = KernelLog::start(target).await?;
    bash(target, "iptables -A INPUT -p udp -j LOG --log-prefix 'log it: '").await?;
    let lines = |path: &str| fs::read_to_string(path).unwrap_or_default().lines().count();
    let reach = async |path: &str, count| {
        let reached = async || Ok((lines(path) == count).then_some(()));
        wait::until(&format!("{count} lines in {path}"), PATIENCE, reached).await
    };
    send(red, vec![udp_v4()]).await?;
    reach(LOG, 1).await?;
    bash(target, "mv /var/log/kern.log /var/log/kern.log.1; touch /var/log/kern.log").await?;
    send(red, vec![udp_v4()]).await?;
    reach("/var/log/kern.log.1", 2).await?;
    assert_eq!(lines(LOG), 0, "nobody has told the writer");
    bash(target, "rm /var/log/kern.log; kill -HUP $(cat /run/rsyslogd.pid)").await?;
    wait::until("a new log", PATIENCE, async || Ok(fs::exists(LOG).unwrap().then_some(()))).await?;
    send(red, vec![udp_v4()]).await?;
    reach(LOG, 1).await?;
    bash(target, "truncate -s 0 /var/log/kern.log").await?;
    send(red, vec![udp_v4()]).await?;
    reach(LOG, 1).await?;
    assert_eq!(lines("/var/log/kern.log.1"), 2);
    let Heard { lines, lost, .. } = log.stop().await?;
    assert_eq!((lines, lost), (4, 0));
    Ok(lab.remove().await?)
}

/// Packets come faster than lines are written; each is a line, or is counted as missing.
async fn flooded() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let (target, red) = (lab.host("target")?, lab.host("red")?);
    let log = KernelLog::start(target).await?;
    for (length, prefix) in [("100:", "flood "), ("0:99", "end ")] {
        let rule = format!("-A PREROUTING -p udp -m length --length {length} -j LOG --log-prefix '{prefix}'");
        bash(target, &format!("iptables -t raw {rule}")).await?;
    }
    send(red, vec![long_udp_v4(); FLOOD]).await?;
    // A gap shows when a packet behind it is heard.
    wait::until("a line behind the flood", PATIENCE, async || {
        send(red, vec![udp_v4()]).await?;
        Ok(fs::read_to_string(LOG).unwrap().contains("] end IN=eth0 ").then_some(()))
    })
    .await?;
    let heard = log.stop().await?;
    let logged: u64 = bash(target, COUNT).await?.trim().parse()?;
    assert_eq!(heard.lines + heard.lost, logged, "{heard:?}");
    assert!(heard.lines > 100, "{heard:?}");
    let written = fs::read_to_string(LOG)?;
    assert_eq!(written.lines().count() as u64, heard.lines);
    println!("{heard:?}");
    Ok(lab.remove().await?)
}

async fn send(host: &Host, packets: Vec<Vec<u8>>) -> Result<(), LabError> {
    let work = move || {
        let mut socket = PacketSocket::open("eth0", TARGET_MAC, &Wanted::default())?;
        socket.send(packets.iter().map(Vec::as_slice))
    };
    host.blocking(work).await?
}

/// What a script says that succeeds.
pub async fn bash(host: &Host, script: &str) -> Result<String, LabError> {
    let command = CommandLine { program: "bash".to_owned(), args: vec!["-ec".to_owned(), script.to_owned()] };
    let finished = host.output(&command, None, PATIENCE).await?.success(&command)?;
    Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
}
