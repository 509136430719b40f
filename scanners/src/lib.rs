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

mod again;
mod batch;
mod cells;
mod error;
mod evasion;
mod flights;
mod foreign;
mod identity;
mod pace;
mod packet;
mod plan;
mod rtt;
mod scan;
mod technique;
mod timing;
mod window;

pub use batch::Batch;
pub use error::ScanError;
pub use evasion::{Evasion, Sources, SynShape};
pub use foreign::{Foreign, Habits, Nic, SourceOwner, foreign_scanner, foreign_scanners, nmap};
pub use pace::{Burst, Pace};
pub use plan::{Detect, Order, ScanPlan, Zombie};
pub use scan::Scan;
pub use technique::{Aftermath, Probe, Segment, TcpShape, techniques};
pub use timing::{Parallelism, Template, Timing};
