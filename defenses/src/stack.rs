//! Layers put together, in order, for one target.

use std::collections::BTreeMap;

use scandrill_model::{Backend, Need, ServicePlan, Step, Tool};
use serde::{Deserialize, Serialize};

use crate::error::{DefenseError, help};
use crate::layer::{Parameter, Preset};
use crate::layers::{find, layers};
use crate::settings::Settings;

/// A layer as a scenario asks for it: `{ layer = "recent", seconds = 60, hitcount = 10 }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSpec {
    /// The layer's name.
    pub layer: String,
    /// What is set, by name.
    #[serde(flatten)]
    pub parameters: BTreeMap<String, serde_json::Value>,
}

impl LayerSpec {
    /// Whether the case says what installs it: its layer exists for both tools, and nothing is set here. A layer that
    /// nobody knows is a mistake of another kind.
    pub fn takes_the_cases_tool(&self) -> bool {
        let asks = |parameter: &Parameter| {
            parameter.default == Preset::Tool && !self.parameters.contains_key(parameter.name)
        };
        find(&self.layer).is_none_or(|layer| layer.parameters().iter().any(asks))
    }
}

/// What a layer may know of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Which back end its iptables commands are.
    pub backend: Backend,
    /// What installs the layers that exist for both tools.
    pub tool: Tool,
    /// What it serves.
    pub services: Vec<ServicePlan>,
    /// The interface that faces everyone else.
    pub interface: String,
}

/// A whole defense.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// What the machine must have, each once.
    pub needs: Vec<Need>,
    /// What installs it, in order.
    pub steps: Vec<Step>,
}

/// Puts layers together in their order. An unknown layer or parameter is an error with the nearest known name.
pub fn stack(specs: &[LayerSpec], site: &Site) -> Result<Stack, DefenseError> {
    let mut stack = Stack::default();
    for spec in specs {
        let layer = find(&spec.layer).ok_or_else(|| DefenseError::UnknownLayer {
            name: spec.layer.clone(),
            help: help(&spec.layer, layers().iter().map(|layer| layer.name())),
        })?;
        let steps = layer.steps(&Settings::read(layer, &spec.parameters, site)?)?;
        stack.needs.extend(layer.needs(&steps));
        stack.steps.extend(steps);
    }
    stack.needs.sort();
    stack.needs.dedup();
    Ok(stack)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn site() -> Site {
        Site {
            backend: Backend::Legacy,
            tool: Tool::Iptables,
            services: Vec::new(),
            interface: "eth0".to_owned(),
        }
    }

    fn specs(text: serde_json::Value) -> Vec<LayerSpec> {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn layers_are_installed_in_their_order_and_their_needs_named_once() {
        let specs = specs(json!([
            { "layer": "manual/stealth" },
            { "layer": "sysctl", "net.ipv4.tcp_syncookies": 2 },
            { "layer": "manual/recent" },
        ]));
        let stack = stack(&specs, &site()).unwrap();
        assert!(matches!(&stack.steps[1], Step::Sysctl { value, .. } if value == "2"));
        assert_eq!(stack.steps.len(), 3);
        let programs = ["bash", "iptables-legacy"];
        assert_eq!(stack.needs, programs.map(|name| Need::Program(name.to_owned())));
    }

    #[test]
    fn an_unknown_layer_is_named_with_the_nearest_known_one() {
        let error = stack(&specs(json!([{ "layer": "recnt" }])), &site()).unwrap_err().to_string();
        assert_eq!(error, "no layer is called `recnt`; did you mean `recent`?");
    }
}
