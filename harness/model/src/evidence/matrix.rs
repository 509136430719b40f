//! Technique × port group: what red could read before the defense and what it could read with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::port::PortSet;
use crate::state::PortState;
use crate::technique::Technique;

/// One actor's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MatrixRow {
    /// The red actor.
    pub actor: String,
    /// Its technique.
    pub technique: Technique,
    /// Groups of ports that read alike, before and with the defense; together all scanned ports.
    pub cells: Vec<MatrixCell>,
}

/// Ports that read alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MatrixCell {
    /// The ports.
    pub ports: PortSet,
    /// Without a defense, by the control; `None` where no control asked.
    pub before: Option<PortState>,
    /// With the defense in.
    pub with: PortState,
    /// Whether red learnt of them what the scenario says it should not have.
    pub leaked: bool,
}
