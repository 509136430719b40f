//! The processes of one case. The runner re-executes its own binary; what starts then is
//!
//! ```text
//! runner ──lifeline──┐
//!   └─ stage 0       │   one thread; makes the namespaces, waits for init
//!        └─ init ◄───┘   PID 1 inside; makes the mounts, reaps; ends when the lifeline does, and all with it
//!             └─ worker  the caller's work, on a tokio runtime of its own
//! ```
//!
//! Whoever of these is killed, the others end: the kernel ends a PID namespace with its init, init sees the
//! end of the runner (lifeline) and of the worker (its child), and gets a signal at the end of stage 0.

mod backend;
mod handover;
mod identity;
mod init;
mod layers;
mod mounts;
mod stage0;
mod worker;

pub use backend::{backend_program, choose_backend};
pub use stage0::{Inside, dispatch};
pub use worker::{Lifeline, Terminal, Worker, WorkerExit, WorkerOptions};

pub(crate) use identity::has_range;

/// What the re-executed binary is called, as `argv[0]`. It tells it what to become, and people what it is.
const MARKER: &str = "scandrill-lab";

/// The exit code of a worker that was not isolated; no packet was sent.
pub(crate) const NOT_ISOLATED: u8 = 125;
