//! A second driver of the scanners, without sockets, privileges or waiting: time is a number, and the target is a
//! simulation that follows a policy port by port. What the scanners send is read by etherparse, which shares no
//! code with what wrote it.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names the techniques and packets that it is about; all others are alike to it"
)]

mod any;
mod behaviour;
mod fragments;
mod fuzz;
mod idle;
mod many;
mod pace;
mod packet;
mod policy;
mod properties;
mod registry;
mod stack;
mod target;
mod world;
mod zombie;
