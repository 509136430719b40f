//! The packets of a scan's probes: what the technique makes of them, and what the evasions do to that.

use std::net::IpAddr;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scandrill_model::TcpFlags;

use super::form::{self, Form, Route, tcp_form};
use super::ip::{self, numbers};
use super::reader::Handshake;
use crate::batch::Batch;
use crate::error::ScanError;
use crate::identity::{Identity, Mark};
use crate::plan::ScanPlan;
use crate::technique::{self, CLOCK, IcmpRequest, Segment, TcpShape};

/// Writes the packets of one scan.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    identity: Identity,
    /// Who seems to send each probe, in this order; `None` is the scanner itself.
    senders: Vec<Option<IpAddr>>,
    /// What most cells are asked.
    general: Form,
    /// Cells that are asked otherwise, ascending.
    special: Vec<(u16, Form)>,
    follow_ups: FollowUps,
    fragment: Option<usize>,
    packets_per_probe: usize,
}

/// One packet of a connection that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FollowUp {
    /// ACK, or RST and ACK.
    pub flags: TcpFlags,
    /// Its numbers.
    pub handshake: Handshake,
}

/// The forms of follow-ups: the handshake's end and the reset, without and with time stamps.
#[derive(Clone, Debug)]
struct FollowUps {
    plain: [Form; 2],
    stamped: [Form; 2],
}

/// Linux's default (net.ipv4.ip_default_ttl, net.ipv6.conf.*.hop_limit).
const TTL: u8 = 64;

/// Of the decoys' order and the extra bytes; apart from the order of the ports.
const EVASION_SEED: u64 = 0x6576_6173_696f_6e73;

impl Writer {
    /// For the probes of a plan, whose evasions have been checked.
    ///
    /// # Errors
    /// A technique that is not registered, or lacks an address; more
    /// packets of one probe than a batch holds.
    pub(crate) fn new(plan: &ScanPlan, identity: Identity) -> Result<Self, ScanError> {
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed ^ EVASION_SEED);
        let senders = senders(plan, &mut random);
        let (general, special) = forms(plan, &mut random)?;
        let fragment = plan.evasion.fragment.map(usize::from);
        let longest = special.iter().map(|(_, form)| form).chain([&general]).map(Form::body_length).max();
        let pieces = fragment.map_or(1, |size| longest.unwrap_or_default().div_ceil(size.max(8)).max(1));
        let packets = pieces * senders.len();
        if packets > Batch::CAPACITY {
            return Err(ScanError::TooManyPackets {
                technique: plan.technique,
                packets,
                max: Batch::CAPACITY,
            });
        }
        let follow_ups = FollowUps::new(route(plan));
        Ok(Self { identity, senders, general, special, follow_ups, fragment, packets_per_probe: packets })
    }

    /// How many packets one probe may be, decoys' and fragments included; at most [`Batch::CAPACITY`].
    pub(crate) fn packets_per_probe(&self) -> usize {
        self.packets_per_probe
    }

    /// Adds all packets of one probe to the batch, in which the caller has made sure that there is room.
    pub(crate) fn probe(&self, port: u16, attempt: u8, batch: &mut Batch) {
        let mark = self.identity.mark(port, attempt);
        let form = self.form(port);
        for sender in &self.senders {
            self.write(form, &mark, sender.unwrap_or(mark.source), batch);
        }
    }

    /// Adds one packet of an accepted connection.
    pub(crate) fn follow_up(&self, step: &FollowUp, batch: &mut Batch) {
        let Handshake { mark, timestamp } = &step.handshake;
        let forms = if timestamp.is_some() { &self.follow_ups.stamped } else { &self.follow_ups.plain };
        let form = &forms[usize::from(step.flags.contains(TcpFlags::RST))];
        match timestamp {
            None => push(form, mark, mark.source, batch),
            Some(theirs) => push(&form.clone().with_echo(*theirs), mark, mark.source, batch),
        }
    }

    fn form(&self, port: u16) -> &Form {
        if self.special.is_empty() {
            return &self.general;
        }
        let found = self.special.binary_search_by_key(&port, |(port, _)| *port).ok();
        found.and_then(|at| self.special.get(at)).map_or(&self.general, |(_, form)| form)
    }

    fn write(&self, form: &Form, mark: &Mark, source: IpAddr, batch: &mut Batch) {
        match self.fragment {
            None => push(form, mark, source, batch),
            Some(size) => {
                let mut whole = form.bytes().to_vec();
                form.finish(mark, source, &mut whole);
                ip::fragments(&whole, size, mark.sequence, |piece| {
                    batch.push(piece, b"");
                });
            }
        }
    }
}

/// A packet as it is.
fn push(form: &Form, mark: &Mark, source: IpAddr, batch: &mut Batch) {
    if let Some(packet) = batch.push(form.bytes(), b"") {
        form.finish(mark, source, packet);
    }
}

impl Handshake {
    /// What ends a connection that the target accepted: the handshake's third segment, and a reset.
    pub(crate) fn complete_and_reset(self) -> [FollowUp; 2] {
        [TcpFlags::ACK, TcpFlags::RST | TcpFlags::ACK].map(|flags| FollowUp { flags, handshake: self })
    }
}

impl FollowUps {
    fn new(route: Route) -> Self {
        let both = |clock| {
            [TcpFlags::ACK, TcpFlags::RST | TcpFlags::ACK]
                .map(|flags| form::established_form(route, flags, clock))
        };
        Self { plain: both(None), stamped: both(Some(CLOCK)) }
    }
}

/// The header that all packets of a plan share.
fn route(plan: &ScanPlan) -> Route {
    let ttl = plan.evasion.ttl.unwrap_or(TTL);
    Route { target: plan.target, ttl, bad_checksum: plan.evasion.bad_checksum }
}

/// The decoys, and the scanner at a place among them that the seed says.
fn senders(plan: &ScanPlan, random: &mut impl Rng) -> Vec<Option<IpAddr>> {
    let mut senders: Vec<Option<IpAddr>> = plan.evasion.decoys.iter().copied().map(Some).collect();
    let places = u64::try_from(senders.len()).unwrap_or_default() + 1;
    let place = usize::try_from(random.next_u64() % places).unwrap_or_default();
    senders.insert(place, None);
    senders
}

/// What cells are asked, and which cells are asked otherwise.
fn forms(plan: &ScanPlan, random: &mut impl Rng) -> Result<(Form, Vec<(u16, Form)>), ScanError> {
    let route = route(plan);
    let flags = plan.technique.probe_flags().unwrap_or_default();
    let mut extra = vec![0; usize::from(plan.evasion.data_length)];
    random.fill_bytes(&mut extra);
    let one = |form| Ok((form, Vec::new()));
    match technique::find(plan.technique)?.segment(plan.technique) {
        Segment::Tcp(shape) => {
            one(tcp_form(route, &plan.evasion.syn.shape().unwrap_or(shape), flags, &extra))
        }
        Segment::Udp { payloads } => {
            let with = |(port, payload): &(u16, &[u8])| (*port, form::udp_form(route, payload));
            let asked = payloads.iter().filter(|(port, _)| extra.is_empty() && plan.ports.contains(*port));
            Ok((form::udp_form(route, &extra), asked.map(with).collect()))
        }
        Segment::Sctp => one(form::sctp_form(route)),
        Segment::Icmp(request) => one(icmp(route, request, &extra)),
        Segment::Protocol => {
            let each = plan.ports.iter().filter_map(|number| u8::try_from(number).ok());
            let forms = each.map(|number| (u16::from(number), protocol(route, number, &extra)));
            Ok((form::bare_form(route, 0, &extra).of_protocol(None), forms.collect()))
        }
        Segment::Neighbor => {
            let link = plan.link.ok_or(ScanError::NoLink(plan.technique))?;
            one(form::neighbor_form(plan.target, link))
        }
    }
}

fn icmp(route: Route, request: IcmpRequest, extra: &[u8]) -> Form {
    let (kind, fields): (u8, usize) = match request {
        IcmpRequest::Echo if route.target.is_ipv4() => (8, 0),
        IcmpRequest::Echo => (128, 0),
        // Three time stamps (RFC 792); one mask (RFC 950).
        IcmpRequest::Timestamp => (13, 12),
        IcmpRequest::AddressMask => (17, 4),
    };
    let mut data = vec![0; fields];
    data.extend_from_slice(extra);
    form::icmp_form(route, kind, &data)
}

/// The ports that a protocol scan asks, as nmap's does (DEFAULT_TCP_PROBE_PORT and its like in nmap.h).
pub(super) const TCP_PORT: u16 = 80;
pub(super) const UDP_PORT: u16 = 40_125;
pub(super) const SCTP_PORT: u16 = 80;

/// A packet of an IP protocol: with the protocol's own header where a host would look at one.
fn protocol(route: Route, number: u8, extra: &[u8]) -> Form {
    let v4 = route.target.is_ipv4();
    let (form, port) = match number {
        numbers::TCP => {
            let shape = TcpShape { window: 1024, options: Vec::new() };
            (tcp_form(route, &shape, TcpFlags::ACK, extra), Some(TCP_PORT))
        }
        numbers::UDP => (form::udp_form(route, extra), Some(UDP_PORT)),
        numbers::SCTP => (form::sctp_form(route), Some(SCTP_PORT)),
        numbers::ICMP if v4 => (icmp(route, IcmpRequest::Echo, extra), None),
        numbers::ICMPV6 if !v4 => (icmp(route, IcmpRequest::Echo, extra), None),
        numbers::IGMP if v4 => (form::igmp_form(route, extra), None),
        _ => (form::bare_form(route, number, extra), None),
    };
    form.of_protocol(port)
}
