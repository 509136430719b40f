//! Decisions to ban, from each of their witnesses.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::IpAddr;

use scandrill_lab::{Decided, Decisions, Lab};
use scandrill_model::{Milestone, Witness};

use crate::inside::{Done, Job, within};
use crate::klog::bash;
use crate::plans;

pub const JOBS: &[(&str, Job)] = &[
    ("a_decision_is_heard_of_the_kernel_a_daemon_s_log_and_the_tool_that_was_called", |_| within(heard())),
    ("what_lets_in_ends_a_ban_or_is_about_another_is_no_decision", |_| within(unheard())),
];

const RED: &str = "198.18.0.2";
const LOG: &str = "/var/log/banner.log";
const SET: &str = "nft add table inet t; nft 'add set inet t banned { type ipv4_addr; }'";

async fn listen(lab: &Lab) -> Result<Decisions, scandrill_lab::LabError> {
    let about: BTreeSet<IpAddr> = BTreeSet::from([RED.parse().unwrap()]);
    Decisions::start(&[lab.host("target")?], about).await
}

fn daemon_says(line: &str) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).open(LOG)?.write_all(line.as_bytes())
}

/// Two whole lines in two writes, so that the second is read from where the first ended.
async fn heard() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    bash(target, SET).await?;
    let listening = listen(&lab).await?;
    daemon_says(&format!("2026-01-02 banner: Found {RED}\n"))?;
    daemon_says(&format!("2026-01-02 banner: Ban {RED}\n"))?;
    bash(target, &format!("nft add element inet t banned '{{ {RED} }}'")).await?;
    bash(target, &format!("iptables-legacy -I INPUT -s {RED} -j DROP")).await?;
    let decided = listening.stop().await?;
    let told: Vec<String> = decided.iter().map(words).collect();
    for expected in [
        format!("log {LOG}: 2026-01-02 banner: Ban {RED}"),
        format!("command nft: nft add element inet t banned {{ {RED} }}"),
        "kernel nftables: element of set banned of table t".to_owned(),
        format!("command iptables-legacy: iptables-legacy -I INPUT -s {RED} -j DROP"),
    ] {
        assert_eq!(told.iter().filter(|one| **one == expected).count(), 1, "{expected}: {told:#?}");
    }
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(decided.is_sorted_by_key(|(_, mark)| mark.at));
    lab.remove().await?;
    Ok(())
}

async fn unheard() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    bash(target, SET).await?;
    fs::write(LOG, format!("banner: Ban {RED}, before anybody listened\n"))?;
    let listening = listen(&lab).await?;
    daemon_says(&format!("banner: Unban {RED}\n"))?;
    daemon_says("banner: Ban 198.18.0.21\n")?;
    bash(target, "nft add element inet t banned '{ 198.18.0.21 }'").await?;
    bash(target, &format!("iptables-nft -I INPUT -s {RED} -j ACCEPT; iptables-nft -D INPUT 1")).await?;
    let decided = listening.stop().await?;
    assert_eq!(decided, []);
    lab.remove().await?;
    Ok(())
}

fn words((about, mark): &Decided) -> String {
    assert_eq!((about.to_string().as_str(), mark.milestone), (RED, Milestone::Decided));
    let who = match &mark.witness {
        Witness::Capture(host) => format!("capture {host}"),
        Witness::Scanner => "scanner".to_owned(),
        Witness::Kernel(what) => format!("kernel {what}"),
        Witness::Log(file) => format!("log {file}"),
        Witness::Command(tool) => format!("command {tool}"),
        Witness::File(file) => format!("file {file}"),
    };
    format!("{who}: {}", mark.detail)
}
