//! Bulk: one connection from red to the target that carries as much as it can.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use scandrill_lab::clock;

use super::{Net, Outcome, TARGET};

/// Where the target takes it.
const PORT: u16 = 5001;
/// How much is written and read at once.
const CHUNK: usize = 128 * 1024;

/// Sends over one connection for `length`; bits a second that arrived.
pub async fn bulk(net: &Net, length: Duration) -> Outcome<f64> {
    let listener = net.target.blocking(|| TcpListener::bind((TARGET, PORT))).await??;
    let (sent, arrived) = tokio::try_join!(
        net.red.blocking(move || send(length)),
        net.target.blocking(move || receive(&listener)),
    )?;
    sent?;
    arrived
}

fn send(length: Duration) -> Outcome<()> {
    let mut stream = TcpStream::connect((TARGET, PORT))?;
    let (start, chunk) = (clock::now(), vec![0; CHUNK]);
    while clock::elapsed(start) < length {
        stream.write_all(&chunk)?;
    }
    Ok(stream.shutdown(Shutdown::Write)?)
}

fn receive(listener: &TcpListener) -> Outcome<f64> {
    let (mut stream, _) = listener.accept()?;
    let (start, mut chunk, mut bytes) = (clock::now(), vec![0; CHUNK], 0.0);
    loop {
        match stream.read(&mut chunk)? {
            0 => return Ok(bytes * 8.0 / clock::elapsed(start).as_secs_f64()),
            count => bytes += f64::from(u32::try_from(count)?),
        }
    }
}
