//! The registry of checks: one line each.

mod ban_after_established;
mod hitcount;
mod limits;
mod lists;
mod logs;
mod repeated_rule;
mod unreachable;
mod unused_chain;
mod v6_twin;

use super::{Check, Example, Remark};

/// The check of which nobody wants to hear who asks about IPv4 alone.
pub const V6_TWIN_MISSING: &str = "v6-twin-missing";

static CHECKS: &[&dyn Check] = &[
    &unreachable::Unreachable,
    &repeated_rule::RepeatedRule,
    &unused_chain::UnusedChain,
    &lists::NeverSet,
    &lists::NeverChecked,
    &lists::NeverCreated,
    &lists::Shared,
    &hitcount::Hitcount,
    &limits::GlobalBeforeList,
    &limits::InsideDrop,
    &limits::AcceptWithoutDrop,
    &ban_after_established::BanAfterEstablished,
    &v6_twin::V6Twin,
    &logs::WithoutReader,
    &logs::Limited,
    &logs::PrefixCut,
];

/// All checks, in the order in which they are listed.
pub fn checks() -> &'static [&'static dyn Check] {
    CHECKS
}
