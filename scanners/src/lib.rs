//! The scanners: what red can ask a target, as bytes, times and results, with no socket and no clock in sight.
//!
//! A [`Scan`] is a state machine. It fills [`Batch`]es with packets, is handed the packets that came back, and says
//! when it wants to be asked again; somebody else sends, receives and waits. A technique is one file that says
//! what its probe looks like ([`Probe`]); retransmission, congestion and the reading of replies are shared. Other
//! people's scanners are command lines and readers of what they print ([`Foreign`]).
//!
//! Architecture invariants: nothing here does I/O or reads a clock; nothing here knows a defense; a state comes
//! only from [`scandrill_model::state_of`]; no packet is made for an address outside the lab's own ranges.
#![forbid(unsafe_code)]

mod batch;
mod cells;
mod error;
mod evasion;
mod foreign;
mod identity;
mod idle;
mod lanes;
mod order;
mod pace;
mod packet;
mod patience;
mod plan;
mod port_scan;
mod rtt;
mod scan;
mod sweep;
mod technique;
mod timing;
mod trickle;
mod window;

pub use batch::Batch;
pub use error::ScanError;
pub use evasion::{Evasion, Sources, SynShape};
pub use foreign::{Foreign, Habits, Nic, SourceOwner, foreign_scanner, foreign_scanners, nmap};
pub use identity::Signature;
pub use lanes::TRIES_MAX;
pub use pace::{Burst, Pace};
pub use plan::{Detect, Order, ScanPlan, Zombie};
pub use scan::{Consult, Scan, Told};
pub use sweep::Sweep;
pub use technique::{Aftermath, IcmpRequest, Probe, Segment, TcpShape, techniques};
pub use timing::{Parallelism, Template, Timing};
