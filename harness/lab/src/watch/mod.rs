//! What a host's kernel tells by itself while a case goes on. Each source is one file.

mod carried;
mod daemon_logs;
mod decisions;
mod kernel_line;
mod kernel_log;
mod nflog;
mod nft_events;
mod trace;
mod transport;

pub use carried::Carried;
pub(crate) use daemon_logs::names;
pub use decisions::{Decided, Decisions};
pub use kernel_line::kernel_line;
pub use kernel_log::{Heard, KernelLog};
pub use nflog::NflogReader;
pub(crate) use nflog::logged;
pub(crate) use trace::{Kind, Step, TraceReader, Verdict};
