//! Bytes: how probes are written and replies read. Everything here is a pure function of its arguments.

mod endpoints;
mod read;
mod template;

pub(crate) use endpoints::Endpoints;
pub(crate) use read::{Answer, Handshake, Reader};
pub(crate) use template::Template;
