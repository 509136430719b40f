//! What ordinary clients do: one request over a connection of its own, or one line after the other over the same. The
//! counterpart of the services.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use scandrill_model::Speaks;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use crate::packet_socket::retransmitted;

/// A client of one service. It works on the thread of its host.
#[derive(Debug)]
pub struct Client {
    speaks: Speaks,
    from: SocketAddr,
    to: SocketAddr,
    session: Session,
    wire: Wire,
}

/// What the kernel knows of a client's connections.
#[derive(Debug, Default)]
struct Wire {
    /// The connection of the moment, by a descriptor of its own: the other is gone once a request is over, and the kernel's
    /// count with the last of them.
    connection: Option<OwnedFd>,
    /// What its count was when it was last read.
    read: u64,
    /// Segments that were sent again, over all connections.
    retransmissions: u64,
}

impl Wire {
    /// Reads the count of the connection of the moment.
    fn read(&mut self) {
        if let Some(Ok(count)) = self.connection.as_ref().map(retransmitted) {
            self.retransmissions += u64::from(count).saturating_sub(self.read);
            self.read = count.into();
        }
    }

    /// Looks at another connection from now on, or at none.
    fn turn_to(&mut self, connection: Option<OwnedFd>) {
        (self.connection, self.read) = (connection, 0);
    }
}

/// The one connection of a client that keeps it.
#[derive(Debug)]
enum Session {
    /// Not yet.
    None,
    /// There, with so many lines sent.
    Open(BufReader<TcpStream>, u32),
    /// No more, and why.
    Cut(String),
}

impl Client {
    /// A client that has not asked anything yet.
    pub fn new(speaks: Speaks, source: IpAddr, target: IpAddr, port: u16) -> Self {
        let (from, to) = (SocketAddr::new(source, 0), SocketAddr::new(target, port));
        Self { speaks, from, to, session: Session::None, wire: Wire::default() }
    }

    /// TCP segments that its kernel has sent again so far, SYNs among them: what the other end sent again is not its own
    /// pain but in the time that a request takes.
    pub fn retransmissions(&self) -> u64 {
        self.wire.retransmissions
    }

    /// Makes one request and waits for its answer at most for `patience`; the error says in a few words why it was not
    /// served.
    pub async fn request(&mut self, patience: Duration) -> Result<(), String> {
        let (from, to) = (self.from, self.to);
        let (session, wire) = (&mut self.session, &mut self.wire);
        let answered = async {
            match self.speaks {
                Speaks::Tcp => line(from, to, wire).await,
                Speaks::Session => session.line(from, to, wire).await,
                Speaks::Http => get(from, to, wire).await,
                Speaks::Udp => datagram(from, to, b"are you there?").await,
                Speaks::Dns => datagram(from, to, &DNS_QUERY).await,
                Speaks::Ping => ping(from.ip(), to.ip()).await,
            }
        };
        let answered = match tokio::time::timeout(patience, answered).await {
            Ok(answered) => answered.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", patience.as_secs())),
        };
        self.wire.read();
        if !matches!(self.session, Session::Open(..)) {
            self.wire.turn_to(None);
        }
        answered
    }
}

impl Session {
    /// Sends a line and waits until it comes back. Lines are numbered, so that what comes late is not taken for it. What
    /// ends a connection ends it for good; silence does not.
    async fn line(&mut self, from: SocketAddr, to: SocketAddr, wire: &mut Wire) -> Answered {
        if let Self::None = self {
            *self = Self::Open(BufReader::new(connect(from, to, wire).await?), 0);
        }
        let echoed = match self {
            Self::Open(stream, sent) => {
                *sent += 1;
                echo(stream, *sent).await
            }
            Self::Cut(why) => return Err(format!("the session was cut before: {why}").into()),
            Self::None => return Ok(()),
        };
        if let Err(error) = &echoed {
            *self = Self::Cut(error.to_string());
        }
        echoed.map_err(|error| format!("the session was cut: {error}").into())
    }
}

async fn echo(stream: &mut BufReader<TcpStream>, number: u32) -> std::io::Result<()> {
    let sent = format!("line {number}\r\n");
    stream.get_mut().write_all(sent.as_bytes()).await?;
    let mut line = String::new();
    while line != sent {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

type Answered = Result<(), Box<dyn std::error::Error>>;

async fn connect(from: SocketAddr, to: SocketAddr, wire: &mut Wire) -> std::io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    wire.turn_to(Some(socket.as_fd().try_clone_to_owned()?));
    socket.bind(from)?;
    socket.connect(to).await
}

/// Sends a line and reads something back.
async fn line(from: SocketAddr, to: SocketAddr, wire: &mut Wire) -> Answered {
    let mut stream = connect(from, to, wire).await?;
    stream.write_all(b"hello\r\n").await?;
    match stream.read(&mut [0; 256]).await? {
        0 => Err("closed without an answer".into()),
        _ => Ok(()),
    }
}

/// A GET over a new connection, as a browser's first.
async fn get(from: SocketAddr, to: SocketAddr, wire: &mut Wire) -> Answered {
    let stream = connect(from, to, wire).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = hyper::Request::get("/").header("host", to.to_string()).body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        drop(sender);
        Ok::<_, hyper::Error>(status)
    };
    let (status, _) = tokio::join!(exchange, connection);
    match status? {
        status if status.is_success() => Ok(()),
        status => Err(format!("HTTP status {status}").into()),
    }
}

/// A datagram, and something back.
async fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Answered {
    let socket = UdpSocket::bind(from).await?;
    socket.connect(to).await?;
    socket.send(payload).await?;
    socket.recv(&mut [0; 512]).await?;
    Ok(())
}

/// A query for the address of `a.test` (RFC 1035, section 4).
const DNS_QUERY: [u8; 24] =
    [0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 4, b't', b'e', b's', b't', 0, 0, 1, 0, 1];

/// An echo request through the kernel's unprivileged ICMP socket.
async fn ping(source: IpAddr, target: IpAddr) -> Answered {
    let (domain, protocol, request_type) = match target {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect(&SocketAddr::new(target, 0).into())?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket.into())?;
    socket.send(&[request_type, 0, 0, 0, 0, 0, 0, 1]).await?;
    socket.recv(&mut [0; 64]).await?;
    Ok(())
}
