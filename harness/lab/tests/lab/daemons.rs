//! Daemons: started until they are ready, stopped, killed by an administrator, dead by themselves, gone with a boot; and what
//! they change in the kernel by themselves.

use std::fs;

use scandrill_lab::{Host, Lab, LabError, install, snapshot, wait};
use scandrill_model::{CommandLine, Daemon, Loader, Step};

use crate::inside::{Done, Job, PATIENCE, within};
use crate::operating::no_sleeper;
use crate::plans;

pub const JOBS: &[(&str, Job)] = &[
    ("a_daemon_runs_from_its_readiness_until_it_is_taken_off", |_| within(lives())),
    ("a_daemon_that_is_never_ready_says_why", |_| within(never_ready())),
    ("a_daemon_that_dies_by_itself_is_an_error", |_| within(dies())),
    ("an_administrator_kills_and_starts_a_daemon", |_| within(operated())),
    ("a_daemons_script_does_nothing_on_another_host", |_| within(elsewhere())),
    ("a_boot_ends_a_daemon", |_| within(booted())),
    ("what_a_daemon_owns_is_not_read_back", |_| within(owns())),
];

/// A daemon that takes its time to be ready, and says so in a file.
const SERVES: &str = "echo begins; exec 3<> <(:); read -t 0.2 <&3; echo $$ > /run/up; exec sleep 1000";

fn daemon(script: &str, owns: &[&str]) -> Step {
    Step::Daemon(Daemon {
        name: "drilled".to_owned(),
        folders: Vec::new(),
        command: CommandLine { program: "bash".to_owned(), args: vec!["-c".to_owned(), script.to_owned()] },
        ready: CommandLine::bash("test $(cat /run/up) = $PID"),
        owns: owns.iter().map(ToString::to_string).collect(),
    })
}

/// Gives an order as an administrator does: its exit code and what it says.
async fn order(host: &Host, words: &str) -> Result<(Option<i32>, String), LabError> {
    let command = CommandLine::bash(&format!("/run/scandrill/daemons/drilled {words} 2>&1"));
    let told = host.alone(&command, PATIENCE).await?;
    Ok((told.status, String::from_utf8_lossy(&told.stdout).trim().to_owned()))
}

async fn lives() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    let installed = install(target, &[daemon(SERVES, &[])]).await?;
    assert!(fs::exists("/run/up")?, "not ready");
    assert_eq!(fs::read_to_string("/var/log/drilled.out")?, "begins\n");
    assert_eq!(order(target, "ready").await?.0, Some(0));
    let id = order(target, "pid").await?.1;
    let inside = fs::read_link(format!("/proc/{id}/ns/net"))?;
    let of_target = target.blocking(|| fs::read_link("/proc/thread-self/ns/net")).await??;
    assert_eq!(inside, of_target);
    let (again, told) = order(target, "start").await?;
    assert_eq!(
        (again, told.as_str()),
        (Some(1), "daemon drilled: it is running already; it said last:\nbegins")
    );
    assert_eq!(order(target, "dance").await?.0, Some(2));
    installed.remove().await?;
    no_sleeper().await?;
    assert!(!fs::exists("/run/scandrill/daemons/drilled")?);
    // Whoever comes after may have the name.
    install(target, &[daemon(SERVES, &[])]).await?.remove().await?;
    Ok(lab.remove().await?)
}

async fn refusal(host: &Host, step: Step) -> Result<String, LabError> {
    match install(host, &[step]).await {
        Err(error) => Ok(error.to_string()),
        Ok(installed) => installed
            .remove()
            .await
            .map(|()| String::new())
            .map_err(|errors| LabError::BadPlan(errors.to_string())),
    }
}

async fn never_ready() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    let told = refusal(target, daemon("seq 20; echo 'no such option' >&2; exit 7", &[])).await?;
    let expected = "ended before it was ready: exit status: 7; it said last:\n12\n";
    assert!(told.contains(expected) && told.ends_with("no such option"), "{told}");
    let nothing = Step::Daemon(Daemon {
        name: "drilled".to_owned(),
        folders: Vec::new(),
        command: CommandLine { program: "no-such-daemon".to_owned(), args: Vec::new() },
        ready: CommandLine::bash("true"),
        owns: Vec::new(),
    });
    let told = refusal(target, nothing).await?;
    assert!(told.ends_with("program `no-such-daemon` not found"), "{told}");
    assert!(!fs::exists("/run/scandrill/daemons/drilled")?, "a daemon that failed leaves nothing");
    Ok(lab.remove().await?)
}

async fn dies() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    let script = "echo $$ > /run/up; read line < /run/fifo; echo $line; exit 3";
    let fifo = CommandLine::bash("mkfifo /run/fifo");
    target.output(&fifo, None, PATIENCE).await?.success(&fifo)?;
    let installed = install(target, &[daemon(script, &[])]).await?;
    let tell = CommandLine::bash("echo out of memory > /run/fifo");
    target.output(&tell, None, PATIENCE).await?.success(&tell)?;
    let dead = async || Ok((order(target, "pid").await?.1.is_empty()).then_some(()));
    wait::until("the daemon's death", PATIENCE, dead).await?;
    assert_eq!(order(target, "ready").await?.0, Some(1));
    let told = installed.remove().await.unwrap_err().to_string();
    assert!(told.contains("daemon drilled: it has died by itself; it said last:\nout of memory"), "{told}");
    Ok(lab.remove().await?)
}

async fn operated() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    let installed = install(target, &[daemon(SERVES, &[])]).await?;
    let first = order(target, "pid").await?.1;
    assert_eq!(order(target, "kill").await?, (Some(0), String::new()));
    assert_eq!(order(target, "pid").await?.1, "");
    assert_eq!(
        order(target, "stop").await?.0,
        Some(0),
        "one that was killed on purpose has not died by itself"
    );
    assert_eq!(order(target, "start").await?, (Some(0), String::new()));
    assert_eq!(order(target, "restart").await?, (Some(0), String::new()));
    let last = order(target, "pid").await?.1;
    assert!(!last.is_empty() && last != first, "{first} {last}");
    assert_eq!(fs::read_to_string("/var/log/drilled.out")?, "begins\nbegins\nbegins\n");
    order(target, "stop").await?;
    installed.remove().await?;
    Ok(lab.remove().await?)
}

async fn elsewhere() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let (target, red) = (lab.host("target")?, lab.host("red")?);
    let installed = install(target, &[daemon(SERVES, &[])]).await?;
    for words in ["kill", "start", "pid"] {
        assert_eq!(order(red, words).await?, (Some(0), String::new()), "{words}");
    }
    assert!(!order(target, "pid").await?.1.is_empty());
    installed.remove().await?;
    Ok(lab.remove().await?)
}

async fn booted() -> Done {
    let plan = plans::pair();
    let lab = Lab::build(&plan).await?;
    let target = lab.host("target")?;
    let installed = install(target, &[daemon(SERVES, &[])]).await?;
    lab.reboot(&plan, "target").await?;
    lab.connect(&plan, "target").await?;
    assert_eq!(order(target, "pid").await?.1, "");
    assert_eq!(order(target, "start").await?, (Some(0), String::new()));
    installed.remove().await?;
    no_sleeper().await?;
    Ok(lab.remove().await?)
}

/// What a ban daemon does with each of its tools, and what it leaves when it is killed.
const BANS: &str = "iptables-nft -N own-chain; iptables-nft -A own-chain -s 198.18.0.2 -j DROP
    iptables-nft -I INPUT -p tcp -j own-chain
    ip6tables-legacy -N own-chain; ip6tables-legacy -I INPUT -p tcp -j own-chain
    ipset create own-set hash:ip timeout 60; iptables-nft -I INPUT -p tcp -m set --match-set own-set src -j DROP
    nft add table inet own-table; nft add set inet own-table banned '{ type ipv4_addr; }'
    nft add set inet mine own-banned '{ type ipv4_addr; }'; nft insert rule inet mine in ip saddr @own-banned drop
    echo $$ > /run/up; exec sleep 1000";
const MINE: &str = "table inet mine {\n    chain in {\n        type filter hook input priority 0\n        tcp dport 23 drop\n    }\n}\n";

async fn owns() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let (target, red) = (lab.host("target")?, lab.host("red")?);
    let rules = Step::Load { loader: Loader::Nft, text: MINE.to_owned(), origin: "mine".to_owned() };
    let steps = [rules.clone(), daemon(BANS, &["own-*"])];
    let reference = install(red, &[rules]).await?;
    let asked = snapshot(red, &steps).await?;
    let installed = install(target, &steps).await?;
    assert_eq!(snapshot(target, &steps).await?.differences(&asked), [""; 0]);
    let all = snapshot(target, &[]).await?.differences(&snapshot(red, &[]).await?);
    assert!(all.len() > 8, "{all:#?}");
    let change = CommandLine::bash(
        "iptables-nft -A INPUT -p udp -j DROP; nft add rule inet mine in tcp dport 24 drop",
    );
    target.output(&change, None, PATIENCE).await?.success(&change)?;
    let told = snapshot(target, &steps).await?.differences(&asked);
    assert_eq!(told.len(), 2, "{told:#?}");
    // The kernel is as before, whatever the daemon left.
    installed.remove().await?;
    assert!(snapshot(target, &[]).await?.is_empty());
    reference.remove().await?;
    Ok(lab.remove().await?)
}
