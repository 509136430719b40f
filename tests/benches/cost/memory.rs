//! Memory for each entry: two labs, one with none and one with many, looked at from outside while they last.

use std::fs::File;
use std::future::pending;
use std::io::{BufRead, BufReader, Write};
use std::iter::once;
use std::net::Ipv4Addr;
use std::sync::Arc;

use scandrill_lab::{Inside, Worker, WorkerOptions};
use scandrill_tests::bench::{
    Net, Outcome, Until, block_on, datagram, flood, markdown, reset, run, stranger, told,
};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, IntoEnumIterator};

use crate::Job;
use crate::slabs::{Growth, Memory};

/// What takes memory. Connections come last: the kernel takes a while to give theirs back.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, EnumIter)]
pub enum Subject {
    /// An nftables set with timeouts.
    #[strum(to_string = "nft set with timeouts")]
    NftSet,
    /// An ipset with timeouts.
    #[strum(to_string = "ipset hash:ip with timeouts")]
    Ipset,
    /// xt_recent: a hundred lists of the hundred sources that each holds, for a hit count of ten.
    #[strum(to_string = "xt_recent, hit count 10")]
    Recent,
    /// Tracked connections.
    #[strum(to_string = "tracked connections")]
    Conntrack,
}

/// How many packets are made at once.
const AT_ONCE: u32 = 10_000;
/// How many elements go into one command (see `sets`).
const ELEMENTS: u32 = 500;
/// How many sources a list of xt_recent holds by default, and how many lists there are.
const LISTS: u32 = 100;

/// What the manual plans for connection tracking under high traffic, in bytes.
const PLANNED: f64 = 1024.0 * 1024.0 * 1024.0;
/// How many connections it lets be tracked (nf_conntrack_max).
const CONNECTIONS: f64 = 262_144.0;

impl Subject {
    fn entries(self) -> u32 {
        match self {
            Self::NftSet | Self::Ipset => 100_000,
            Self::Recent => LISTS * LISTS,
            Self::Conntrack => 250_000,
        }
    }
}

/// Measures all subjects.
pub fn table() -> Outcome<String> {
    let heading = ["memory for each entry, bytes", "entries", "in slabs", "of", "by its own account"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let mut connection = 0.0;
    for subject in Subject::iter() {
        let (growth, own) = measure(subject)?;
        connection = growth.slabs;
        rows.push(vec![
            subject.to_string(),
            subject.entries().to_string(),
            told(growth.slabs),
            growth.caches.join(", "),
            own.map(told).unwrap_or_default(),
        ]);
    }
    let full = connection * CONNECTIONS;
    let share = format!(
        "a full table of {CONNECTIONS} connections takes {:.0} MiB in slabs, {:.3} of what the manual plans\n",
        full / 1024.0 / 1024.0,
        full / PLANNED
    );
    Ok(markdown(&rows) + &share)
}

/// Bytes an entry, as the kernel's memory shows, and as the set itself says where it does.
fn measure(subject: Subject) -> Outcome<(Growth, Option<f64>)> {
    let entries = f64::from(subject.entries());
    let (before, own_before) = kept(subject, 0)?;
    let (after, own) = kept(subject, subject.entries())?;
    let own = own.zip(own_before).map(|(own, before)| (own - before) / entries);
    Ok((after.since(&before, entries), own))
}

/// The kernel's memory while `count` entries are there, and what these say of themselves.
fn kept(subject: Subject, count: u32) -> Outcome<(Memory, Option<f64>)> {
    let mut worker =
        Worker::start(&serde_json::to_vec(&Job::Keep(subject, count))?, &WorkerOptions::default())?;
    let mut line = String::new();
    BufReader::new(worker.take_events()).read_line(&mut line)?;
    let Ok(own) = serde_json::from_str(&line) else { return Err(format!("{subject}: {line}").into()) };
    Ok((Memory::now()?, own))
}

/// In the worker: makes the entries, says so, and keeps them until the worker is ended.
pub fn keep(subject: Subject, count: u32, inside: Inside) -> u8 {
    let mut events = inside.events;
    let kept = block_on(async || {
        let net = Net::build(&[], &[]).await?;
        let own = fill(&net, subject, count).await?;
        tell(&mut events, &serde_json::to_string(&own)?)?;
        pending::<()>().await;
        Ok(String::new())
    });
    // A runner that has gone away needs no words.
    kept.err().map_or(0, |error| tell(&mut events, &error.to_string()).map_or(1, |()| 1))
}

fn tell(events: &mut File, words: &str) -> Outcome<()> {
    Ok(events.write_all(format!("{words}\n").as_bytes())?)
}

/// Bytes by the entries' own account, where they give one.
async fn fill(net: &Net, subject: Subject, count: u32) -> Outcome<Option<f64>> {
    match subject {
        Subject::NftSet => nft_set(net, count).await.map(|()| None),
        Subject::Ipset => ipset(net, count).await.map(Some),
        Subject::Recent => recent(net, count).await.map(|()| None),
        Subject::Conntrack => connections(net, count).await.map(|()| None),
    }
}

async fn nft_set(net: &Net, count: u32) -> Outcome<()> {
    let set = "table inet bench { set banned { type ipv4_addr; flags timeout; timeout 1h; }; }\n";
    run(&net.target, "nft -f -", Some(set.to_owned())).await?;
    for first in (0..count).step_by(ELEMENTS as usize) {
        let elements: Vec<String> =
            (first..count.min(first + ELEMENTS)).map(|number| stranger(number).to_string()).collect();
        let text = format!("add element inet bench banned {{ {} }}\n", elements.join(", "));
        run(&net.target, "nft -f -", Some(text)).await?;
    }
    Ok(())
}

async fn ipset(net: &Net, count: u32) -> Outcome<f64> {
    let adds = (0..count).map(|number| format!("add banned {}\n", stranger(number)));
    let create = "create banned hash:ip timeout 3600 maxelem 200000\n".to_owned();
    let text = once(create).chain(adds).collect();
    run(&net.target, "ipset restore", Some(text)).await?;
    let listed = run(&net.target, "ipset list -t banned", None).await?;
    let text = String::from_utf8(listed.stdout)?;
    let size = text.lines().find_map(|line| line.strip_prefix("Size in memory: "));
    Ok(size.ok_or("ipset does not say how large a set is")?.parse()?)
}

async fn recent(net: &Net, count: u32) -> Outcome<()> {
    let lists = (0..LISTS).map(|list| {
        let rule = format!("-A INPUT -m recent --name list{list}");
        format!("{rule} --set\n{rule} --update --seconds 60 --hitcount 10 -j DROP\n")
    });
    let rules: String = lists.collect();
    let text = format!("*filter\n:INPUT ACCEPT\n{rules}COMMIT\n");
    run(&net.target, "iptables-legacy-restore", Some(text)).await?;
    let sources = (0..count / LISTS).map(|number| reset(source(number)));
    let packets = sources.collect::<Outcome<Vec<_>>>()?;
    if !packets.is_empty() {
        flood(net, &[Arc::new(packets)], Until::Sent).await?;
    }
    Ok(())
}

async fn connections(net: &Net, count: u32) -> Outcome<()> {
    let rules =
        "table inet bench { chain input { type filter hook input priority 0; ct state new accept; }; }\n";
    run(&net.target, "nft -f -", Some(rules.to_owned())).await?;
    for first in (0..count).step_by(AT_ONCE as usize) {
        let packet =
            |number: u32| datagram(source(number / AT_ONCE), u16::try_from(10_000 + number % AT_ONCE)?);
        let packets = (first..count.min(first + AT_ONCE)).map(packet).collect::<Outcome<Vec<_>>>()?;
        flood(net, &[Arc::new(packets)], Until::Sent).await?;
    }
    let counted = run(&net.target, "cat /proc/sys/net/netfilter/nf_conntrack_count", None).await?;
    let counted: u32 = String::from_utf8(counted.stdout)?.trim().parse()?;
    if counted < count { Err(format!("{counted} of {count} connections are tracked").into()) } else { Ok(()) }
}

/// The `number`th address that no host has.
fn source(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 128, 1)) + number)
}
