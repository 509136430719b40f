//! A second driver of the scanners, without sockets, privileges or waiting: time is a number, and the target is a
//! simulation that follows a policy port by port. What the scanners send is read by etherparse, which shares no
//! code with what wrote it.

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
