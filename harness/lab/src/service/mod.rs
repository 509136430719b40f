//! What a target offers: real listeners on real sockets, so that what a scanner reads is what a kernel and a
//! program answer. They are no test doubles, and no more than small.

mod dns;
mod sctp;
mod tcp;
mod udp;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use scandrill_model::{PortSet, ServiceKind, ServicePlan};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::{AbortHandle, spawn_local};

use self::sctp::SctpPorts;
pub use self::sctp::{SCTP_LIBRARY, has_sctp};
use crate::error::LabError;
use crate::host::Host;
use crate::packet_socket;

/// Connections that may wait to be accepted; a scan must not fill it.
const BACKLOG: i32 = 1024;

/// Seconds that a connection waits for its request, at least: as many as Apache's (server/listen.c).
const DEFERRED_S: i32 = 30;

/// The running services of a host. Dropping it stops them and closes their ports.
#[must_use = "dropping it stops the services"]
#[derive(Debug)]
pub struct Services {
    tasks: Vec<AbortHandle>,
    #[expect(dead_code, reason = "held to be open")]
    sctp: Option<SctpPorts>,
}

impl Drop for Services {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts `services` on both families of `host`. On return every port is bound: the kernel queues what comes
/// from now on, and it is answered. A port that cannot be bound is an error that names it, and none is left.
///
/// A port of nginx's is left to the host's programs. SCTP ports are those of one host in a process, which has no more than
/// one address of each family, and they are an error where [`has_sctp`] is false.
pub async fn start_services(host: &Host, services: &[ServicePlan]) -> Result<Services, LabError> {
    let sctp = services.iter().filter(|service| service.kind == ServiceKind::Sctp);
    let sctp: PortSet = sctp.map(|service| service.port).collect();
    let sctp = if sctp.is_empty() { None } else { Some(sctp::open_ports(host, sctp).await?) };
    let services = services.to_vec();
    let name = host.name().to_owned();
    let start = async move || {
        let mut running = Services { tasks: Vec::new(), sctp };
        for service in services {
            for address in both_families(service.port) {
                let cannot_bind = |source| LabError::CannotBind {
                    host: name.clone(),
                    service: service.to_string(),
                    address: address.to_string(),
                    source,
                };
                running.tasks.extend(listen(service, address).map_err(cannot_bind)?);
            }
        }
        Ok(running)
    };
    host.spawn(start).await?
}

fn both_families(port: u16) -> [SocketAddr; 2] {
    [(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()]
}

/// What listens on one port of one family; nobody by itself on an SCTP port, all of which are opened at
/// once, and on one of nginx's, which is a daemon.
fn listen(service: ServicePlan, address: SocketAddr) -> io::Result<Option<AbortHandle>> {
    let task = match service.kind {
        ServiceKind::Banner => {
            spawn_local(tcp::serve(tcp_listener(address)?, move |stream| tcp::banner(stream, service)))
        }
        ServiceKind::Http => spawn_local(tcp::serve(tcp_listener(address)?, tcp::http)),
        ServiceKind::Deferred => spawn_local(tcp::serve(deferring_listener(address)?, tcp::http)),
        ServiceKind::Tarpit => spawn_local(tcp::serve(narrow_listener(address)?, tcp::tarpit)),
        ServiceKind::Echo => spawn_local(udp::serve(udp_socket(address)?, |query| Some(query.to_vec()))),
        ServiceKind::Dns => spawn_local(udp::serve(udp_socket(address)?, dns::answer)),
        ServiceKind::Silent => spawn_local(udp::serve(udp_socket(address)?, |_| None)),
        ServiceKind::Sctp | ServiceKind::Nginx | ServiceKind::Waf => return Ok(None),
    };
    Ok(Some(task.abort_handle()))
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address, Type::STREAM, Protocol::TCP)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Its queue is as long as the host lets it be (`net.core.somaxconn`).
fn deferring_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address, Type::STREAM, Protocol::TCP)?;
    packet_socket::set(&socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, &DEFERRED_S)?;
    socket.listen(i32::MAX)?;
    TcpListener::from_std(socket.into())
}

/// Its connections have the smallest buffer that the kernel gives for what nobody reads.
fn narrow_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address, Type::STREAM, Protocol::TCP)?;
    socket.set_recv_buffer_size(1)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = bound(address, Type::DGRAM, Protocol::UDP)?;
    udp::ask_for_destinations(&socket, address)?;
    UdpSocket::from_std(socket.into())
}

/// A socket of one family only, so that each family is bound, and fails, for itself.
fn bound(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
