//! The lab: network namespaces, links, processes, packets, and the steps of a defense, for real.
//!
//! Architecture invariant: this is the only crate that touches the kernel, and nothing in it ever runs in the
//! machine's own network namespace. It judges nothing; it makes what a plan asks for and says what it saw.

pub mod clock;
pub mod machine;
pub mod wait;

mod capture;
mod command;
mod decode;
mod error;
mod host;
mod install;
mod packet_socket;
mod pcapng;
mod ring;
mod snapshot;

pub use command::Finished;
pub use error::{During, LabError, LabErrors};
pub use host::{Host, Task};
