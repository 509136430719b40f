//! Services over TCP: a banner with an echo, HTTP, and a tarpit.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use scandrill_model::ServicePlan;
use tokio::io::{AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::{clock, wait};

/// How long to leave a full table of open files alone before accepting again.
const RESPITE: Duration = Duration::from_millis(10);

/// Accepts for ever; what `answer` makes of a connection is its own affair. Ending this ends all of them.
pub(super) async fn serve<F: Future<Output = ()> + 'static>(
    listener: TcpListener,
    answer: impl Fn(TcpStream) -> F,
) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn_local(answer(stream));
            }
            // A scanner's reset before the accept, or no descriptor left; the next one may do.
            Err(_) => wait::until_moment(clock::now() + RESPITE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Sends one line, then sends back all it gets.
pub(super) async fn banner(mut stream: TcpStream, service: ServicePlan) {
    let greeting = format!("scandrill {service}\r\n");
    if stream.write_all(greeting.as_bytes()).await.is_ok() {
        let (mut from, mut to) = stream.split();
        // A client that goes away in the middle has the right to.
        let _ = copy(&mut from, &mut to).await;
    }
}

/// Answers every request with 200 and a short text.
pub(super) async fn http(stream: TcpStream) {
    let answer = async |_: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"scandrill\n"))))
    };
    // A client that does not speak HTTP, as a scanner's connect, is no error of the service.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

/// Keeps a connection open and leaves what it brings unread, so that the client's window closes, until the services end.
pub(super) async fn tarpit(stream: TcpStream) {
    pending::<()>().await;
    drop(stream);
}
