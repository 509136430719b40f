//! Temporary.
use std::net::IpAddr;
use std::ops::RangeInclusive;

use pnet_packet::tcp::TcpOption;
use scandrill_model::{Reply, TcpFlags};

use super::{Endpoints, read, template::Template};
use crate::batch::Batch;
use crate::error::ScanError;
use crate::identity::Identity;
use crate::plan::ScanPlan;
use crate::technique::{self, CLOCK, Segment, TcpShape};

pub(crate) use super::read::Handshake;

pub(crate) struct Answer {
    pub port: u16,
    pub attempt: u8,
    pub reply: Reply,
    pub ttl: u8,
    pub handshake: Option<Handshake>,
}
pub(crate) struct FollowUp(TcpFlags, Handshake);
impl Handshake {
    pub(crate) fn complete_and_reset(self) -> [FollowUp; 2] {
        [FollowUp(TcpFlags::ACK, self), FollowUp(TcpFlags::RST | TcpFlags::ACK, self)]
    }
}
pub(crate) struct Writer {
    identity: Identity,
    endpoints: Endpoints,
    template: Template,
    payload: fn(u16) -> &'static [u8],
}
impl Writer {
    pub(crate) fn new(plan: &ScanPlan, identity: Identity) -> Result<Self, ScanError> {
        let (from, target): (IpAddr, IpAddr) = (plan.source, plan.target);
        let endpoints = Endpoints::new(from, target).ok_or(ScanError::MixedFamilies { from, target })?;
        let segment = technique::find(plan.technique)?.segment();
        let flags = plan.technique.probe_flags().unwrap_or(TcpFlags::NONE);
        Ok(Self {
            identity,
            endpoints,
            template: Template::new(endpoints, &segment, flags),
            payload: if let Segment::Udp { payload } = segment { payload } else { |_| b"" },
        })
    }
    pub(crate) fn packets_per_probe(&self) -> usize {
        1
    }
    pub(crate) fn probe(&self, port: u16, attempt: u8, batch: &mut Batch) {
        self.template.write(&self.identity.mark(port, attempt), (self.payload)(port), batch);
    }
    pub(crate) fn follow_up(&self, step: &FollowUp, batch: &mut Batch) {
        let FollowUp(flags, handshake) = step;
        let echo = |their| vec![TcpOption::nop(), TcpOption::nop(), TcpOption::timestamp(CLOCK, their)];
        let options = handshake.timestamp.map(echo).unwrap_or_default();
        let shape = TcpShape { window: 502, options };
        Template::tcp(self.endpoints, &shape, *flags).write(&handshake.mark, b"", batch);
    }
}
pub(crate) struct Reader {
    identity: Identity,
    inner: read::Reader,
}
impl Reader {
    pub(crate) fn new(plan: &ScanPlan, identity: Identity) -> Self {
        let endpoints = Endpoints::new(plan.source, plan.target).unwrap();
        let flags = plan.technique.probe_flags().unwrap_or(TcpFlags::NONE);
        Self { identity, inner: read::Reader::new(endpoints, plan.technique.protocol(), flags) }
    }
    pub(crate) fn handshake(
        &self,
        port: u16,
        attempt: u8,
        (sequence, timestamp): (u32, Option<u32>),
    ) -> Handshake {
        let mark = self.identity.mark(port, attempt);
        let mark = crate::identity::Mark {
            sequence: mark.sequence.wrapping_add(1),
            acknowledgement: sequence.wrapping_add(1),
            ..mark
        };
        Handshake { mark, timestamp }
    }
    pub(crate) fn read(&self, packet: &[u8]) -> Option<Answer> {
        let answer = self.inner.read(&self.identity, packet)?;
        Some(Answer {
            port: answer.port,
            attempt: answer.attempt,
            reply: answer.reply,
            ttl: if packet[0] >> 4 == 4 { packet[8] } else { packet[7] },
            handshake: answer.handshake,
        })
    }
}
impl Identity {
    pub(crate) fn source_ports(&self) -> RangeInclusive<u16> {
        self.mark(0, 0).source_port..=self.mark(0, 15).source_port
    }
}
