//! Bytes: how probes are written and replies read. Everything here is a pure function of its arguments.

mod checksum;
mod form;
mod ip;
mod reader;
mod writer;

pub(crate) use form::{Form, Route, tcp_form};
pub(crate) use ip::{numbers, open};
pub(crate) use reader::{Answer, Reader};
pub(crate) use writer::{FollowUp, Writer};

#[cfg(test)]
mod tests;
