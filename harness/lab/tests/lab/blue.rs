//! Defenses: installed by the real programs, refused with the line that is wrong, read back, and taken off again.

use std::fs;
use std::net::UdpSocket;

use scandrill_lab::{Host, Installed, Lab, LabError, Snapshot, check_rules, install, snapshot};
use scandrill_model::{Backend, CommandLine, Family, Loader, Step};

use crate::inside::{Done, Job, PATIENCE, within};
use crate::plans;

pub const JOBS: &[(&str, Job)] = &[
    ("a_broken_line_is_named_and_leaves_nothing", |_| within(broken_lines())),
    ("a_script_ends_at_the_line_that_fails", |_| within(failing_scripts())),
    ("a_script_goes_on_where_bash_does", |_| within(passing_scripts())),
    ("rules_are_read_back_and_asked_for", |_| within(read_back())),
    ("a_rule_deleted_behind_our_back_is_missing", |_| within(deleted())),
    ("what_changes_by_itself_is_no_difference", |_| within(counting())),
    ("removal_leaves_the_kernel_as_it_was", |_| within(removed())),
    ("a_step_that_fails_undoes_those_before_it", |_| within(undone())),
];

fn load(loader: Loader, text: &str) -> Step {
    Step::Load { loader, text: text.to_owned(), origin: "my.rules".to_owned() }
}

fn tables(family: Family, backend: Backend) -> Loader {
    Loader::IptablesRestore { family, backend }
}

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
const BACKENDS: [Backend; 2] = [Backend::Nft, Backend::Legacy];

async fn refusal(host: &Host, steps: &[Step]) -> Result<(String, Option<usize>, String), LabError> {
    match install(host, steps).await {
        Err(LabError::Loader { origin, line, text, tool_says }) => {
            assert_eq!(origin, "my.rules");
            Ok((tool_says, line, text.unwrap_or_default()))
        }
        Err(other) => Err(other),
        Ok(installed) => {
            drop(installed);
            panic!("this was installed: {steps:?}")
        }
    }
}

async fn broken_lines() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    let mut broken = Vec::new();
    for family in FAMILIES {
        for backend in BACKENDS {
            let text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j NOWHERE\nCOMMIT\n";
            broken.push((tables(family, backend), text, 4, "-A INPUT -j NOWHERE", "NOWHERE"));
            let text = "*mangle\nCOMMIT\n*filter\n-A INPUT --no-such-option 1\nCOMMIT\n";
            broken.push((tables(family, backend), text, 4, "-A INPUT --no-such-option 1", "no-such-option"));
        }
    }
    let text = "table inet mine {\n    chain in {\n        tcp dport 22 acept\n    }\n}\n";
    broken.push((Loader::Nft, text, 3, "tcp dport 22 acept", "syntax error"));
    let text = "table inet mine\nadd chain inet mine in\nadd rule inet mine in ip saddr @gone drop\n";
    broken.push((Loader::Nft, text, 3, "add rule inet mine in ip saddr @gone drop", "No such file"));
    let text = "create good hash:ip\nadd good 198.18.0.7\nadd bad 198.18.0.8\n";
    broken.push((Loader::IpsetRestore, text, 3, "add bad 198.18.0.8", "does not exist"));
    for backend in BACKENDS {
        let text =
            "iptables -A INPUT -i lo -j ACCEPT\n\niptables -A INPUT -j NOWHERE\niptables -P INPUT DROP\n";
        broken.push((Loader::Script { backend }, text, 3, "iptables -A INPUT -j NOWHERE", "NOWHERE"));
    }
    for (loader, text, line, quoted, word) in broken {
        let told = refusal(target, &[load(loader, text)]).await?;
        assert_eq!((told.1, told.2.as_str()), (Some(line), quoted), "{loader:?}: {}", told.0);
        assert!(told.0.contains(word), "{loader:?}: {}", told.0);
        assert!(snapshot(target, &[]).await?.is_empty(), "{loader:?} left something");
    }
    Ok(lab.remove().await?)
}

/// Each script with the line that ends it.
const FAILING: &[(&str, usize)] = &[
    ("true\nfalse\ntrue", 2),
    ("add() {\n    true\n    iptables -A NOWHERE -j DROP\n}\nadd", 3),
    ("true\n(\n    true\n    false\n)\ntrue", 4),
    ("true\nx=$(cat /nowhere)", 2),
    ("echo \"$(false)\"\ntrue\nfalse", 3),
    ("true\nno-such-program save", 2),
    ("true\nif true; then\nfi", 3),
    ("set -u\necho $nowhere", 2),
    ("true\niptables -A NOWHERE -j DROP || exit 4\ntrue", 2),
    ("true\nsysctl -w net.ipv4.no_such_key=1", 2),
    ("for port in 22 80; do\n    iptables -A NOWHERE -p tcp --dport $port -j DROP\ndone", 2),
];

async fn failing_scripts() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    for (text, line) in FAILING {
        let step = load(Loader::Script { backend: Backend::Nft }, text);
        let told = refusal(target, &[step]).await.map_err(|error| format!("{text:?}: {error}"))?;
        assert_eq!(told.1, Some(*line), "{text:?}: {}", told.0);
        assert!(!told.0.is_empty() && !told.0.contains("/run/"), "{text:?}: {}", told.0);
    }
    Ok(lab.remove().await?)
}

const PASSING: &[&str] = &[
    "iptables -D INPUT -j DROP 2>/dev/null || true",
    "if iptables -C INPUT -j DROP 2>/dev/null; then iptables -D INPUT -j DROP; fi",
    "iptables -L NOWHERE >/dev/null 2>&1 || iptables -N NOWHERE",
    "true\n[ -e /nowhere ] && echo never",
    "[ $# -eq 0 ]",
    "true\nexit 0\nfalse",
    "! false\necho \"$(false)\"",
    "mkdir -p /etc/iptables\niptables-save > /etc/iptables/rules.v4\ntest -f /etc/iptables/rules.v4",
];

async fn passing_scripts() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    for text in PASSING {
        for backend in BACKENDS {
            let installed = install(target, &[load(Loader::Script { backend }, text)]).await;
            installed.map_err(|error| format!("{text:?}: {error}"))?.remove().await?;
        }
    }
    for (backend, expected) in [(Backend::Nft, "iptables nft"), (Backend::Legacy, "iptables legacy")] {
        let step = load(Loader::Script { backend }, "iptables -A INPUT -p tcp -j DROP");
        let installed = install(target, &[step]).await?;
        let nothing = Snapshot::default();
        let there = snapshot(target, &[]).await?.differences(&nothing);
        assert!(there.iter().any(|line| line.starts_with(expected)), "{there:?}");
        installed.remove().await?;
    }
    Ok(lab.remove().await?)
}

/// Rules that are hard to ask for again: printed otherwise than typed, quoted, or with contents of their own.
const HARD: &[&str] = &[
    "-p tcp -m conntrack --ctstate NEW -m recent --set --name SCAN",
    "-p tcp -m conntrack --ctstate NEW -m recent --update --seconds 60 --hitcount 10 --name SCAN -j DROP",
    "-p udp -m limit --limit 5/s -j ACCEPT",
    "-p tcp -m hashlimit --hashlimit-upto 5/sec --hashlimit-mode srcip --hashlimit-name ssh -j ACCEPT",
    "-p tcp -m connlimit --connlimit-above 10 -j REJECT --reject-with tcp-reset",
    "-p tcp -m multiport --dports 22,80,1000:2000 -j ACCEPT",
    "-p tcp ! --syn -m state --state NEW -j DROP",
    "-p tcp --tcp-flags ALL FIN,PSH,URG -j DROP",
    "-m limit --limit 5/min -j LOG --log-prefix \"IPTables-Dropped: $HOME \" --log-level 4",
    "-j NFLOG --nflog-group 5 --nflog-prefix \"it's $(reboot)\"",
    "-m comment --comment \"a `b` \\\"c\\\" $(touch /tmp/asked) 'd' * \\\\ e\" -j CHECKED",
    "-m statistic --mode nth --every 3 --packet 0 -j DROP",
    "! -i eth0 -p udp -j DROP",
];

/// A defense of every kind: kernel parameter, offload, file, sets, both back ends and families, native nftables, a script.
fn everything() -> Vec<Step> {
    let mut steps = vec![
        Step::Sysctl { key: "net.ipv4.tcp_syncookies".to_owned(), value: "2".to_owned() },
        Step::Sysctl { key: "net.ipv4.ip_forward".to_owned(), value: "1".to_owned() },
        Step::Offload {
            interface: "eth0".to_owned(),
            feature: "generic-receive-offload".to_owned(),
            on: true,
        },
        Step::WriteFile { path: "/etc/drill/jail.local".to_owned(), text: "[sshd]\n".to_owned() },
        load(
            Loader::IpsetRestore,
            "create banned4 hash:ip timeout 60\ncreate banned6 hash:ip family inet6\n",
        ),
    ];
    for family in FAMILIES {
        for backend in BACKENDS {
            steps.push(load(tables(family, backend), &hard_rules(family)));
        }
    }
    let native = "table inet mine {\n    set trap {\n        type ipv4_addr; flags timeout\n    }\n    chain in {\n        \
                  type filter hook input priority 5; policy drop\n        ip saddr @trap counter drop\n    }\n}\n";
    steps.push(load(Loader::Nft, native));
    steps.push(load(
        Loader::Script { backend: Backend::Legacy },
        "sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_default_ttl=128\n",
    ));
    steps
}

fn hard_rules(family: Family) -> String {
    let set = if family == Family::V4 { "banned4" } else { "banned6" };
    let rules: Vec<String> = HARD.iter().map(|rule| format!("-A INPUT {rule}")).collect();
    format!(
        "*filter\n:INPUT DROP [0:0]\n:CHECKED - [0:0]\n{}\n-A CHECKED -m set --match-set {set} src -j DROP\nCOMMIT\n",
        rules.join("\n")
    )
}

/// The same steps on both hosts, one of them the reference.
async fn install_twice(
    lab: &Lab,
    steps: &[Step],
) -> Result<(Installed, Installed, Snapshot), Box<dyn std::error::Error>> {
    let (target, red) = (lab.host("target")?, lab.host("red")?);
    let reference = install(red, steps).await?;
    let dumped = snapshot(red, steps).await?;
    Ok((install(target, steps).await?, reference, dumped))
}

async fn read_back() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let (target, steps) = (lab.host("target")?, everything());
    let (installed, reference, dumped) = install_twice(&lab, &steps).await?;
    let now = snapshot(target, &steps).await?;
    assert_eq!(now.differences(&dumped), [""; 0]);
    // Each rule, chain and policy of two families and two back ends; two sets, a parameter, an offload, a file; nft's own
    // objects.
    assert!(now.items() >= 4 * (HARD.len() + 3) + 4, "{}", now.items());
    assert_eq!(check_rules(target, &dumped).await?, [""; 0]);
    assert!(!fs::exists("/tmp/asked")?, "a rule's comment was executed");
    assert_eq!(snapshot(target, &steps).await?, now, "asking for rules changed them");
    installed.remove().await?;
    reference.remove().await?;
    let left = bash(target, "ethtool -k eth0 | grep generic-receive-offload").await?;
    assert_eq!(left, "generic-receive-offload: off");
    Ok(lab.remove().await?)
}

async fn bash(host: &Host, script: &str) -> Result<String, LabError> {
    let command = CommandLine { program: "bash".to_owned(), args: vec!["-ec".to_owned(), script.to_owned()] };
    let finished = host.output(&command, None, PATIENCE).await?.success(&command)?;
    Ok(String::from_utf8_lossy(&finished.stdout).trim().to_owned())
}

/// What is done behind our back, and the words in which it must be told.
const DONE: &[(&str, &str)] = &[
    (
        "iptables-nft -D INPUT -p udp -m limit --limit 5/s -j ACCEPT",
        "iptables nft: missing: -t filter -A INPUT -p udp",
    ),
    ("iptables-legacy -D INPUT 3", "iptables legacy: missing: -t filter -A INPUT -p udp"),
    ("ip6tables-nft -P INPUT ACCEPT", "ip6tables nft: missing: -t filter :INPUT DROP"),
    ("ip6tables-legacy -I INPUT -j ACCEPT", "ip6tables legacy: not asked for: -t filter -A INPUT -j ACCEPT"),
    (
        "iptables-legacy -D INPUT 1; iptables-legacy -A INPUT -p tcp -m conntrack --ctstate NEW -m recent --set --name SCAN",
        "iptables legacy: the same lines in another order",
    ),
    ("nft flush chain inet mine in", "nft: missing: rule {"),
    (
        "nft delete rule inet mine in handle $(nft -a list chain inet mine in | sed -n 's/.*drop # handle //p')",
        "nft: missing: rule",
    ),
    ("ipset create extra hash:net", "ipset: not asked for: extra hash:net"),
    ("echo 1 > /proc/sys/net/ipv4/tcp_syncookies", "sysctl: missing: net.ipv4.tcp_syncookies = 2"),
    ("ethtool -K eth0 gro off", "offload: missing: generic-receive-offload of eth0: on"),
    ("echo x > /etc/drill/jail.local", "file: missing: /etc/drill/jail.local"),
];

async fn deleted() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let (target, steps) = (lab.host("target")?, everything());
    for (deed, words) in DONE {
        let (installed, reference, dumped) = install_twice(&lab, &steps).await?;
        bash(target, deed).await?;
        let told = snapshot(target, &steps).await?.differences(&dumped);
        assert!(told.iter().any(|line| line.starts_with(words)), "{deed}: {told:#?}");
        let absent = check_rules(target, &dumped).await?;
        let is_gone_rule = words.contains("tables") && words.contains("missing: -t filter -A");
        assert_eq!(absent.len(), usize::from(is_gone_rule), "{deed}: {absent:?}");
        // What it had put in is gone whatever else was done to it.
        installed.remove().await?;
        reference.remove().await?;
    }
    Ok(lab.remove().await?)
}

const COUNTING: &str = "
table inet counting {
    counter seen {
    }
    quota much {
        over 10 mbytes
    }
    set sources {
        type ipv4_addr; size 100; flags dynamic,timeout; timeout 1m
    }
    chain out {
        type filter hook output priority 0; policy accept
        counter name seen
        quota name \"much\" drop
        quota over 10 mbytes drop
        limit rate 5/second counter
        update @sources { ip saddr counter }
        meter talkers { ip saddr limit rate 5/second } counter
    }
}
";

async fn counting() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    let rules = "*filter\n-A OUTPUT -p udp -m recent --set --name S\n-A OUTPUT -p udp -m quota --quota 9999999\n\
                 -A OUTPUT -p udp -m hashlimit --hashlimit-upto 5/sec --hashlimit-mode dstip --hashlimit-name h\n\
                 -A OUTPUT -p udp -j SET --add-set busy dst\nCOMMIT\n";
    let mut steps = vec![
        load(Loader::IpsetRestore, "create busy hash:ip timeout 60 hashsize 64\n"),
        load(Loader::Nft, COUNTING),
    ];
    steps.extend(BACKENDS.map(|backend| load(tables(Family::V4, backend), rules)));
    let (installed, reference, dumped) = install_twice(&lab, &steps).await?;
    let send = || -> std::io::Result<()> {
        let socket = UdpSocket::bind("198.18.0.1:0")?;
        (0..100_u16).try_for_each(|_| socket.send_to(&[0; 100], "198.18.0.2:9").map(drop))
    };
    target.blocking(send).await??;
    let many =
        "for i in {1..2000}; do echo add busy 198.18.$((i / 256)).$((i % 256)); done | ipset -exist restore";
    bash(target, many).await?;
    assert_ne!(bash(target, "nft list counters | grep -o 'packets [0-9]*'").await?, "packets 0");
    assert_eq!(snapshot(target, &steps).await?.differences(&dumped), [""; 0]);
    installed.remove().await?;
    reference.remove().await?;
    Ok(lab.remove().await?)
}

/// Everything that a defense can change in the kernel, as the kernel tells it.
async fn state(host: &Host) -> Result<String, LabError> {
    bash(
        host,
        "nft list ruleset; ipset list -n; grep -rs . /proc/sys/net --exclude=nf_conntrack_count | sort
         for names in ip ip6; do
             for table in $(cat /proc/net/${names}_tables_names); do ${names}tables-legacy -t $table -S; done
         done; ls /etc/drill 2>&1 || true",
    )
    .await
}

/// A legacy table stays once it was used, with nothing in it. Forwarding, when switched, switches redirects as well.
const PREPARED: &str = "iptables-legacy -S; ip6tables-legacy -S; mkdir /etc/drill
                        echo 0 > /proc/sys/net/ipv4/conf/all/accept_redirects";

async fn removed() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    bash(target, PREPARED).await?;
    let before = state(target).await?;
    let installed = install(target, &everything()).await?;
    assert_ne!(state(target).await?, before);
    installed.remove().await?;
    assert_eq!(state(target).await?, before);
    assert!(snapshot(target, &[]).await?.is_empty());
    Ok(lab.remove().await?)
}

async fn undone() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    bash(target, PREPARED).await?;
    let before = state(target).await?;
    let failing = [
        load(Loader::Nft, "table inet late {\n    oops\n}\n"),
        Step::Sysctl { key: "net.ipv4.ip_default_ttl".to_owned(), value: "0x41".to_owned() },
        Step::Sysctl { key: "net.ipv4.no_such_key".to_owned(), value: "1".to_owned() },
        Step::WriteFile { path: "/usr/drill".to_owned(), text: String::new() },
        load(Loader::Script { backend: Backend::Nft }, "sysctl -qw net.ipv4.ip_default_ttl=99\nfalse\n"),
    ];
    for last in failing {
        let mut steps = everything();
        steps.push(last.clone());
        assert!(install(target, &steps).await.is_err(), "{last:?}");
        assert_eq!(state(target).await?, before, "{last:?}");
    }
    Ok(lab.remove().await?)
}
