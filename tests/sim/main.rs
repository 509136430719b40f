//! A second driver of the scanners, without sockets, privileges or waiting: time is a number, and the target is a
//! simulation that follows a policy port by port. What the scanners send is read by etherparse, which shares no
//! code with what wrote it.

mod behaviour;
mod packet;
mod policy;
mod properties;
mod registry;
mod target;
mod world;
