//! What a host's kernel tells by itself while a case goes on. Each source is one file.

mod kernel_line;
mod kernel_log;
mod nflog;
mod transport;

pub use kernel_line::kernel_line;
pub use kernel_log::{Heard, KernelLog};
pub use nflog::NflogReader;
