//! The kernel log of a host, as its administrator reads it: what rules log, in `/var/log/kern.log` and
//! `/var/log/syslog`, with the time and the host's name as rsyslog writes them on Debian 12. Both files are there from
//! the start, and a line is in them as soon as its packet was seen. Like rsyslog, the writer keeps to the files that it
//! opened: one that is moved away is still written to, until it is told to open them anew, as logrotate tells rsyslog, by
//! `kill -HUP $(cat /run/rsyslogd.pid)`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, UNIX_EPOCH};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::net::if_::if_indextoname;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::unistd::{gethostname, pipe2, read, write};
use scandrill_model::Stamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::kernel_line::kernel_line;
use super::nflog::NflogReader;
use crate::clock;
use crate::error::{During, LabError};
use crate::host::Host;
use crate::standin::GROUPS;

/// Where rsyslog of Debian writes what the kernel says.
const FILES: [&str; 2] = ["/var/log/kern.log", "/var/log/syslog"];

/// Where rsyslog of Debian says which process it is.
const PID_FILE: &str = "/run/rsyslogd.pid";

/// What the log came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Lines that were written.
    pub lines: u64,
    /// Packets whose line is missing, because they came faster than they were read.
    pub lost: u64,
    /// The first line of each source, and when it was written; of the first thousand sources.
    pub first: BTreeMap<IpAddr, (Stamp, String)>,
}

/// A host's kernel log, being written.
#[must_use = "a kernel log is stopped to learn whether lines are missing"]
#[derive(Debug)]
pub struct KernelLog {
    host: String,
    /// Dropping it ends the thread.
    running: oneshot::Sender<()>,
    ending: oneshot::Receiver<Result<Heard, LabError>>,
}

impl KernelLog {
    /// Starts to write the log of `host`: on its return, both files exist and every packet that a rule logs is heard.
    pub async fn start(host: &Host) -> Result<Self, LabError> {
        let name = host.name().to_owned();
        let namespace = host.namespace();
        let (told, tells) = pipe2(OFlag::O_CLOEXEC).during(|| "make a kernel log's pipe".to_owned())?;
        let hangups = signal(SignalKind::hangup()).during(|| "listen for SIGHUP".to_owned())?;
        let pid = std::process::id();
        fs::write(PID_FILE, format!("{pid}\n")).during(|| format!("write {PID_FILE}"))?;
        let (tell_ready, ready) = oneshot::channel();
        let (tell, ending) = oneshot::channel();
        let life = move || {
            let opened = setns(&namespace, CloneFlags::CLONE_NEWNET)
                .during(|| "enter the host of a kernel log".to_owned())
                .and_then(|()| Writer::open());
            let (mut writer, readiness) = match opened {
                Ok(writer) => (Some(writer), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Who has gone does not listen any more.
            drop(tell_ready.send(readiness));
            drop(writer.as_mut().map(|writer| tell.send(writer.write_until(&told))));
        };
        let thread = std::thread::Builder::new().name(format!("kernel-log-{name}")).spawn(life);
        thread.during(|| "start a kernel log's thread".to_owned())?;
        ready.await.map_err(|_| lost(&name))??;
        let (running, ended) = oneshot::channel();
        tokio::spawn(hand_on(hangups, tells, ended));
        Ok(Self { host: name, running, ending })
    }

    /// Ends the log, after all that was logged until now.
    pub async fn stop(self) -> Result<Heard, LabError> {
        drop(self.running);
        self.ending.await.map_err(|_| lost(&self.host))?
    }
}

/// Hands each SIGHUP on to the writer, until the log is stopped.
async fn hand_on(mut hangups: Signal, writer: OwnedFd, mut ended: oneshot::Receiver<()>) {
    while tokio::select! { hangup = hangups.recv() => hangup.is_some(), _ = &mut ended => false } {
        // A writer that has gone opens nothing any more.
        let _ = write(&writer, b"H");
    }
}

fn lost(host: &str) -> LabError {
    LabError::TaskLost { host: host.to_owned(), what: "the kernel log".to_owned() }
}

/// What the writer is told.
enum Word {
    None,
    /// Open the files anew.
    Reopen,
    /// Nobody logs any more.
    Stop,
}

/// Writes lines, on a thread inside the host.
struct Writer {
    reader: NflogReader,
    files: [File; 2],
    host: String,
    lines: u64,
    first: BTreeMap<IpAddr, (Stamp, String)>,
}

impl Writer {
    fn open() -> Result<Self, LabError> {
        let name = gethostname().during(|| "read the host's name".to_owned())?;
        Ok(Self {
            files: open_logs()?,
            reader: NflogReader::open(GROUPS).during(|| "listen to NFLOG groups".to_owned())?,
            host: name.to_string_lossy().into_owned(),
            lines: 0,
            first: BTreeMap::new(),
        })
    }

    fn write_until(&mut self, told: &OwnedFd) -> Result<Heard, LabError> {
        let (mut stopping, mut all) = (false, true);
        while !(stopping && all) {
            let word = if stopping { Word::None } else { self.wait(told)? };
            all = self.write_some()?;
            match word {
                Word::None => {}
                Word::Reopen => self.files = open_logs()?,
                Word::Stop => stopping = true,
            }
        }
        let first = std::mem::take(&mut self.first);
        Ok(Heard { lines: self.lines, lost: self.reader.lost(), first })
    }

    /// Waits for packets or a word.
    fn wait(&self, told: &OwnedFd) -> Result<Word, LabError> {
        let mut ends = [
            PollFd::new(self.reader.descriptor(), PollFlags::POLLIN),
            PollFd::new(told.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ends, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).during(|| "wait for logged packets".to_owned()),
        }
        let events = ends[1].revents().unwrap_or(PollFlags::empty());
        if events.contains(PollFlags::POLLIN) {
            read(told, &mut [0; 16]).during(|| "read a word to a kernel log".to_owned())?;
            return Ok(Word::Reopen);
        }
        Ok(if events.contains(PollFlags::POLLHUP) { Word::Stop } else { Word::None })
    }

    /// Writes what has been logged, or the first of it; whether it was all. Interfaces may be renamed, so their names
    /// are asked for anew each time.
    fn write_some(&mut self) -> Result<bool, LabError> {
        let mut names: BTreeMap<u32, String> = BTreeMap::new();
        let mut text = String::new();
        let (host, lines, first) = (&self.host, &mut self.lines, &mut self.first);
        let each = |message: &[u8]| {
            let name = |index| names.entry(index).or_insert_with(|| name_of(index)).clone();
            if let Some(line) = kernel_line(message, name) {
                text.extend([stamp(), format!(" {host} kernel: [{}] {line}\n", uptime())]);
                *lines += 1;
                remember(first, line);
            }
        };
        let all = self.reader.receive(each).during(|| "read logged packets".to_owned())?;
        for (file, path) in self.files.iter_mut().zip(FILES) {
            file.write_all(text.as_bytes()).during(|| format!("write {path}"))?;
        }
        Ok(all)
    }
}

/// Keeps a line if it is its source's first.
fn remember(first: &mut BTreeMap<IpAddr, (Stamp, String)>, line: String) {
    const MOST: usize = 1000;
    let source = line.split_once("SRC=").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    let Some(source) = source.filter(|_| first.len() < MOST) else { return };
    first.entry(source).or_insert_with(|| (clock::now(), line));
}

fn open_logs() -> Result<[File; 2], LabError> {
    let [kern, syslog] = FILES.map(open_log);
    Ok([kern?, syslog?])
}

fn open_log(path: &str) -> Result<File, LabError> {
    OpenOptions::new().create(true).append(true).open(path).during(|| format!("open {path}"))
}

/// An interface that has gone has no name.
fn name_of(index: u32) -> String {
    if_indextoname(index).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The time as rsyslog writes it: RFC 3339 with its offset from UTC, so that no reader has to know the time zone.
fn stamp() -> String {
    let time = UNIX_EPOCH + Duration::from_nanos(clock::now().0);
    humantime::format_rfc3339_micros(time).to_string().replace('Z', "+00:00")
}

/// The time since the machine's start, as the kernel puts it before each line.
fn uptime() -> String {
    let time = clock::uptime();
    format!("{:5}.{:06}", time.as_secs(), time.subsec_micros())
}
