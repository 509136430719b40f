//! Bytes: how probes are written and replies read. Everything here is a pure function of its arguments.

mod endpoints;
mod read;
mod template;

pub(crate) use endpoints::Endpoints;
mod shim;
pub(crate) use shim::{Answer, FollowUp, Reader, Writer};
