//! Kernel parameters of the target's network namespace.

use scandrill_model::Step;

use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::settings::{Settings, Value};

/// Sets any `net.*` parameter.
pub struct Sysctl;

/// Whether a kernel parameter exists in a namespace but is the whole machine's: it can only be read there.
pub fn is_of_the_machine(key: &str) -> bool {
    ["net.netfilter.nf_conntrack_max", "net.nf_conntrack_max", "net.netfilter.nf_conntrack_buckets"]
        .contains(&key)
}

impl Layer for Sysctl {
    fn name(&self) -> &'static str {
        "sysctl"
    }

    fn summary(&self) -> &'static str {
        "sets kernel parameters of the target's network, as { layer = \"sysctl\", \"net.ipv4.tcp_syncookies\" = 1 }"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter {
            name: "net.*",
            kind: Kind::Sysctl,
            default: Preset::Nothing,
            doc: "a kernel parameter by its dotted name, and what it is set to",
        }]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        settings.iter().map(|(key, value)| self.step(key, value)).collect()
    }
}

impl Sysctl {
    fn step(&self, key: &str, value: &Value) -> Result<Step, DefenseError> {
        if is_of_the_machine(key) {
            let why = format!("`{key}` belongs to the whole machine and cannot be set in a lab");
            return Err(DefenseError::Contradiction { layer: self.name().to_owned(), why });
        }
        let value = match value {
            Value::Word(word) => word.clone(),
            Value::Number(number) => number.to_string(),
            Value::Services(_)
            | Value::Ports(_)
            | Value::Sequence(_)
            | Value::Switch(_)
            | Value::Ranges(_) => String::new(),
        };
        Ok(Step::Sysctl { key: key.to_owned(), value })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use scandrill_model::{Backend, Tool};

    use super::*;
    use crate::stack::Site;

    #[test]
    fn what_belongs_to_the_machine_is_refused_before_anything_is_built() {
        let site = Site {
            backend: Backend::Nft,
            tool: Tool::Iptables,
            services: Vec::new(),
            interface: "eth0".to_owned(),
        };
        let given = BTreeMap::from([("net.netfilter.nf_conntrack_max".to_owned(), 262_144.into())]);
        let settings = Settings::read(&Sysctl, &given, &site).unwrap();
        let error = Sysctl.steps(&settings).unwrap_err().to_string();
        assert!(error.contains("belongs to the whole machine"), "{error}");
    }
}
