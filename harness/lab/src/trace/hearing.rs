//! The ear on a host: a thread that takes down what the kernel tells of packets that are followed, as it comes.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::poll::PollTimeout;
use nix::sched::{CloneFlags, setns};
use scandrill_model::Stamp;

use super::selector::{FIRST, TABLE};
use crate::clock;
use crate::error::{During, LabError};
use crate::host::Host;
use crate::listening::{Listening, Told};
use crate::sysctl;
use crate::watch::{Carried, NflogReader, Step, TraceReader, logged};

/// More packets than these of one case tell nothing new.
const MOST: usize = 4096;
/// The group that the kernel logs its traces of iptables-legacy to.
const TRACE_GROUP: u16 = 0;

/// What was told of the packets.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Each packet, in the order in which they came.
    pub(super) packets: Vec<HeardPacket>,
    /// Lines of iptables-legacy's traces, with the packets that they are of.
    pub(super) legacy: Vec<(Stamp, Carried, String)>,
    /// The packets that are on their way, by their number.
    open: BTreeMap<u32, usize>,
    /// The first of the packets that were told of last.
    told: Option<usize>,
}

/// One packet's way.
#[derive(Debug)]
pub(super) struct HeardPacket {
    /// When its first step was read.
    pub(super) at: Stamp,
    /// Its steps, in order.
    pub(super) steps: Vec<Step>,
}

impl Heard {
    /// A packet begins where the rule that marks it is seen; its number may have been another's before.
    fn step(&mut self, at: Stamp, step: Step) {
        if step.table == TABLE && step.chain == FIRST && step.handle.is_some() {
            self.open.remove(&step.packet);
            if self.packets.len() < MOST {
                self.open.insert(step.packet, self.packets.len());
                self.packets.push(HeardPacket { at, steps: Vec::new() });
            }
        }
        let Some(index) = self.open.get(&step.packet).copied() else { return };
        if let Some(packet) = self.packets.get_mut(index) {
            packet.steps.push(step);
            self.told = Some(self.told.map_or(index, |told| told.min(index)));
        }
    }

    /// Takes back the packets that were told of last: some of their steps are missing, nobody knows which.
    fn doubt(&mut self) {
        let known = self.told.unwrap_or(self.packets.len());
        self.packets.truncate(known);
        self.open.clear();
    }
}

/// Hears on until it is stopped.
#[derive(Debug)]
pub(super) struct Ear(Listening<Heard>);

impl Ear {
    /// Hears from its return on; `legacy` are the numbers (`NFPROTO_*`) of the families whose iptables-legacy is heard, too.
    pub(super) async fn open(host: &Host, legacy: Vec<u8>) -> Result<Self, LabError> {
        let namespace = host.namespace();
        let open = move || Listener::open(&namespace, &legacy);
        Listening::begin("traces", open, Listener::listen_until).await.map(Self)
    }

    /// Ends it, after all that was told until now.
    pub(super) async fn stop(self) -> Result<Heard, LabError> {
        self.0.stop().await
    }
}

struct Listener {
    steps: TraceReader,
    legacy: Option<NflogReader>,
    heard: Heard,
}

impl Listener {
    fn open(namespace: &Arc<OwnedFd>, legacy: &[u8]) -> Result<Self, LabError> {
        setns(namespace, CloneFlags::CLONE_NEWNET).during(|| "enter the host of a listener".to_owned())?;
        let steps = TraceReader::open().during(|| "listen to nftables' traces".to_owned())?;
        for family in legacy {
            // A network namespace begins with no logger at all.
            sysctl::set(&format!("net.netfilter.nf_log.{family}"), "nfnetlink_log")?;
        }
        let reader = || NflogReader::open(TRACE_GROUP..=TRACE_GROUP).during(|| "listen to TRACE".to_owned());
        let legacy = if legacy.is_empty() { None } else { Some(reader()?) };
        Ok(Self { steps, legacy, heard: Heard::default() })
    }

    fn listen_until(mut self, told: &Told) -> Result<Heard, LabError> {
        let mut stopping = false;
        loop {
            // What came before the word to stop is still read.
            self.take()?;
            if stopping {
                return Ok(self.heard);
            }
            let sockets = std::iter::once(self.steps.descriptor());
            let sockets = sockets.chain(self.legacy.iter().map(NflogReader::descriptor));
            stopping = told.wait(sockets, PollTimeout::NONE).during(|| "wait for traces".to_owned())?;
        }
    }

    fn take(&mut self) -> Result<(), LabError> {
        let heard = &mut self.heard;
        heard.told = None;
        let lost = self
            .steps
            .take(|step| heard.step(clock::now(), step))
            .during(|| "read nftables' traces".to_owned())?;
        if lost {
            heard.doubt();
        }
        let Some(reader) = &mut self.legacy else { return Ok(()) };
        let lines = &mut heard.legacy;
        let mut each = |message: &[u8]| {
            let line = logged(message).filter(|(prefix, _)| prefix.starts_with("TRACE: "));
            if let Some((line, carried)) = line.filter(|_| lines.len() < MOST) {
                lines.push((clock::now(), carried, line));
            }
        };
        while !reader.receive(&mut each).during(|| "read what TRACE logs".to_owned())? {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(packet: u32, table: &str, chain: &str) -> Step {
        Step { packet, table: table.to_owned(), chain: chain.to_owned(), handle: Some(1), ..Step::default() }
    }

    #[test]
    fn a_number_that_is_used_again_is_another_packet() {
        let mut heard = Heard::default();
        for round in 0..2 {
            heard.step(Stamp(round), step(7, TABLE, FIRST));
            heard.step(Stamp(round), step(7, "filter", "INPUT"));
        }
        assert_eq!(heard.packets.iter().map(|packet| packet.steps.len()).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn what_begins_in_the_middle_is_no_way() {
        let mut heard = Heard::default();
        heard.step(Stamp(0), step(7, "filter", "INPUT"));
        assert!(heard.packets.is_empty());
    }

    #[test]
    fn a_gap_makes_all_doubtful_that_were_on_their_way() {
        let mut heard = Heard::default();
        heard.step(Stamp(0), step(1, TABLE, FIRST));
        heard.told = None;
        heard.step(Stamp(1), step(2, TABLE, FIRST));
        heard.doubt();
        assert_eq!(heard.packets.len(), 1);
        heard.step(Stamp(2), step(2, "filter", "INPUT"));
        assert_eq!(heard.packets.len(), 1, "its beginning is gone");
    }
}
