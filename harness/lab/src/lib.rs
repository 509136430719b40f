//! The lab: network namespaces, links, processes, packets, and the steps of a defense, for real.
//!
//! Architecture invariant: this is the only crate that touches the kernel, and nothing in it ever runs in the
//! machine's own network namespace. It judges nothing; it makes what a plan asks for and says what it saw.

pub mod clock;
pub mod machine;
pub mod unpacked;
pub mod wait;

mod beside;
mod capture;
mod client;
mod command;
mod comments;
mod counters;
mod daemon;
mod decode;
mod error;
mod files;
mod flood;
mod forwarding;
mod glimpse;
mod host;
mod install;
mod knock;
mod lab;
mod links;
mod listening;
mod loader;
mod loss;
mod nudge;
mod offload;
mod owned;
mod packet_socket;
mod pcapng;
mod process;
mod punctual;
mod reboot;
mod ring;
mod script;
mod service;
mod snapshot;
mod standin;
mod sysctl;
mod trace;
mod verdicts;
mod watch;
mod words;
mod zombie;

pub use beside::Beside;
pub use capture::{Capture, Captured, CapturedPacket};
pub use client::Client;
pub use command::Finished;
pub use comments::{Comments, with_comments};
pub use counters::{Counters, conntrack_max, counters};
pub use decode::{Decoded, Kind, Query, Quoted, decode};
pub use error::{During, LabError, LabErrors};
pub use files::{create_in, read_lines};
pub use flood::{Flooded, Flooding, flood};
pub use forwarding::Forwarding;
pub use glimpse::glimpse;
pub use host::{Host, Task};
pub use install::{Installed, install, install_shared};
pub use knock::{Knocking, knock};
pub use lab::Lab;
pub use loss::{Loss, Lost};
pub use nudge::nudging;
pub use packet_socket::{PacketSocket, Wanted};
pub use pcapng::write_pcapng;
pub use process::{
    Inside, Lifeline, Terminal, Worker, WorkerExit, WorkerOptions, backend_program, choose_backend, dispatch,
};
pub use punctual::{Lateness, Punctuality};
pub use service::{SCTP_LIBRARY, Services, has_sctp, start_services};
pub use snapshot::{Snapshot, check_rules, snapshot};
pub use standin::LoggingRule;
pub use trace::{ChainName, FollowBound, Following, Matched, Passed, RulePlace, Selector, Told, Traced};
pub use verdicts::{Opened, Verdict, VerdictConfig, VerdictSource, VerdictTable};
pub use watch::{Carried, Decided, Decisions, Heard, KernelLog, NflogReader, kernel_line};
pub use words::in_words;
pub use zombie::zombie_steps;
