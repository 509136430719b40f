//! The elements that come into sets of nftables by netlink, as the kernel tells its listeners (linux/netfilter/nf_tables.h, `nft
//! monitor`). Those that a rule adds while a packet passes are told to nobody.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::RcvBuf;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket,
};

use super::nflog::{Attributes, HEADERS, Messages};

/// `NFNL_SUBSYS_NFTABLES` in the high byte, `NFT_MSG_NEWSETELEM` in the low one.
const NEW_ELEMENT: u16 = 0x0a0c;
/// `NFNLGRP_NFTABLES`, as a bit.
const GROUP: u32 = 1 << (7 - 1);
/// `NFTA_SET_ELEM_LIST_TABLE` and `NFTA_SET_ELEM_LIST_SET`.
const TABLE: u16 = 1;
const SET: u16 = 2;
/// A large transaction tells of all its elements at once.
const QUEUE: usize = 4 << 20;
const MESSAGE: usize = 64 << 10;

/// Hears what is added.
#[derive(Debug)]
pub(super) struct NftEvents {
    socket: OwnedFd,
    buffer: Box<[u8]>,
}

impl NftEvents {
    /// Listens in the network namespace of the calling thread.
    pub(super) fn open() -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUP))?;
        setsockopt(&socket, RcvBuf, &QUEUE)?;
        Ok(Self { socket, buffer: vec![0; MESSAGE].into_boxed_slice() })
    }

    /// What can be waited for.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes what has come in, without waiting; tells `hear` what names one of `addresses`.
    pub(super) fn receive(
        &mut self,
        addresses: &BTreeSet<IpAddr>,
        hear: &mut dyn FnMut(IpAddr, String),
    ) -> Result<(), Errno> {
        loop {
            let length = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(length) => length,
                Err(Errno::EAGAIN) => return Ok(()),
                // A mark that is missing is absent, and none is made up for it.
                Err(Errno::ENOBUFS | Errno::EINTR) => continue,
                Err(error) => return Err(error),
            };
            for (kind, message) in Messages(&self.buffer[..length]) {
                told(kind, message.get(HEADERS..).unwrap_or_default(), addresses, hear);
            }
        }
    }
}

fn told(kind: u16, body: &[u8], addresses: &BTreeSet<IpAddr>, hear: &mut dyn FnMut(IpAddr, String)) {
    let part = |wanted| {
        let found = Attributes(body).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
        let text = String::from_utf8_lossy(found.unwrap_or_default());
        text.trim_end_matches('\0').to_owned()
    };
    if kind != NEW_ELEMENT {
        return;
    }
    let what = format!("element of set {} of table {}", part(SET), part(TABLE));
    let mut named = BTreeSet::new();
    find(body, &mut named);
    named.intersection(addresses).for_each(|address| hear(*address, what.clone()));
}

/// Every value that is as long as an address, however deep: among them the keys of elements. The kernel does
/// not flag which attributes are nested (`nla_nest_start_noflag`), so each is tried.
fn find(bytes: &[u8], found: &mut BTreeSet<IpAddr>) {
    for (_, value) in Attributes(bytes) {
        if let Ok(octets) = <[u8; 4]>::try_from(value) {
            found.insert(octets.into());
        } else if let Ok(octets) = <[u8; 16]>::try_from(value) {
            found.insert(octets.into());
        }
        find(value, found);
    }
}

#[cfg(test)]
mod tests {
    use super::super::nflog::attribute_of;
    use super::*;

    fn heard(kind: u16, addresses: &[&str], body: &[u8]) -> Vec<String> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let mut heard = Vec::new();
        told(kind, body, &addresses, &mut |address, what| heard.push(format!("{address}: {what}")));
        heard
    }

    /// `NFTA_SET_ELEM_LIST_ELEMENTS` with one element, its key and its data value inside each other.
    fn element(octets: &[u8]) -> Vec<u8> {
        let key = attribute_of(1, &attribute_of(1, octets));
        let list = attribute_of(3, &attribute_of(1, &key));
        [attribute_of(1, b"filter\0"), attribute_of(2, b"banned\0"), list].concat()
    }

    #[test]
    fn an_element_is_told_of_the_address_that_it_is() {
        let body = element(&[198, 18, 0, 2]);
        let told = heard(NEW_ELEMENT, &["198.18.0.2", "198.18.0.3"], &body);
        assert_eq!(told, ["198.18.0.2: element of set banned of table filter"]);
        assert_eq!(heard(NEW_ELEMENT, &["198.18.0.3"], &body), [""; 0]);
        assert_eq!(heard(NEW_ELEMENT + 2, &["198.18.0.2"], &body), [""; 0], "one that goes decides nothing");
    }

    #[test]
    fn cut_short_it_tells_nothing_and_does_no_harm() {
        let body = element(&[0xfd, 0, 1, 0x98, 0, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(heard(NEW_ELEMENT, &["fd00:198:18::2"], &body).len(), 1);
        for end in 0..body.len() {
            assert_eq!(heard(NEW_ELEMENT, &["fd00:198:18::2"], &body[..end]), [""; 0]);
        }
    }
}
