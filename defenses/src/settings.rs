//! A layer's parameters as a scenario sets them, read once into values that cannot be wrong.

use std::collections::BTreeMap;

use ipnet::IpNet;
use scandrill_model::{Family, PortSet, Protocol, ServicePlan, Tool};
use serde_json::Value as Json;

use crate::error::{DefenseError, help};
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::stack::Site;

/// The values of a layer's parameters, defaults included, and the site they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    values: BTreeMap<String, Value>,
    site: Site,
}

/// One parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Number(u64),
    /// A word or a name.
    Word(String),
    /// Services that are to be reached.
    Services(Services),
    /// Ports of a protocol that another parameter names.
    Ports(PortSet),
    /// TCP and UDP ports in their order.
    Sequence(Vec<(Protocol, u16)>),
    /// On or off.
    Switch(bool),
    /// Address ranges of either family.
    Ranges(Vec<IpNet>),
}

/// Ports by protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// TCP ports.
    pub tcp: PortSet,
    /// UDP ports.
    pub udp: PortSet,
}

impl Settings {
    /// Reads what a scenario sets for `layer`; what it leaves out gets its default.
    pub fn read(
        layer: &dyn Layer,
        given: &BTreeMap<String, Json>,
        site: &Site,
    ) -> Result<Self, DefenseError> {
        let mut values = BTreeMap::new();
        for parameter in layer.parameters() {
            if let Some(value) = preset(parameter, site) {
                values.insert(parameter.name.to_owned(), value);
            }
        }
        for (name, json) in flatten(given) {
            let parameter = find(layer, &name)?;
            let value = read(parameter.kind, &json, site).ok_or_else(|| DefenseError::WrongValue {
                layer: layer.name().to_owned(),
                name: name.clone(),
                found: as_written(&json),
                expected: parameter.kind.to_string(),
            })?;
            values.insert(name, value);
        }
        Ok(Self { values, site: site.clone() })
    }

    /// What the layer may know of the target.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// A number; 0 when it is not set.
    pub fn number(&self, name: &str) -> u64 {
        if let Some(Value::Number(number)) = self.values.get(name) { *number } else { 0 }
    }

    /// A word; empty when it is not set.
    pub fn word(&self, name: &str) -> &str {
        if let Some(Value::Word(word)) = self.values.get(name) { word } else { "" }
    }

    /// What installs the layer.
    pub fn tool(&self) -> Tool {
        self.word("tool").parse().unwrap_or_default()
    }

    /// Services; none when they are not set.
    pub fn services(&self, name: &str) -> Services {
        if let Some(Value::Services(services)) = self.values.get(name) {
            services.clone()
        } else {
            Services::default()
        }
    }

    /// Ports; none when they are not set.
    pub fn ports(&self, name: &str) -> PortSet {
        if let Some(Value::Ports(ports)) = self.values.get(name) { ports.clone() } else { PortSet::default() }
    }

    /// Ports in their order; none when they are not set.
    pub fn sequence(&self, name: &str) -> &[(Protocol, u16)] {
        if let Some(Value::Sequence(steps)) = self.values.get(name) { steps } else { &[] }
    }

    /// Whether a switch is on; it is off when it is not set.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some(Value::Switch(true)))
    }

    /// The ranges of one family, or of both; none when they are not set.
    pub fn ranges(&self, name: &str, family: Option<Family>) -> Vec<IpNet> {
        let Some(Value::Ranges(ranges)) = self.values.get(name) else { return Vec::new() };
        let of_family = |range: &IpNet| family.is_none_or(|family| Family::of(range.network()) == family);
        ranges.iter().copied().filter(of_family).collect()
    }

    /// All that is set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl Services {
    /// The ports that the target's services listen on.
    fn of(plans: &[ServicePlan]) -> Self {
        let ports = |protocol| {
            let of_protocol = plans.iter().filter(|plan| plan.protocol == protocol);
            of_protocol.map(|plan| plan.port).collect()
        };
        Self { tcp: ports(Protocol::Tcp), udp: ports(Protocol::Udp) }
    }

    /// Reads `["tcp/22", "udp/53"]`; ports may be ranges and lists as in `tcp/8000-8010,9000`.
    fn read(items: &[Json]) -> Option<Self> {
        let mut services = Self::default();
        for item in items {
            let (protocol, ports) = item.as_str()?.split_once('/')?;
            let ports: PortSet = ports.parse().ok()?;
            match protocol {
                "tcp" => services.tcp = services.tcp.union(&ports),
                "udp" => services.udp = services.udp.union(&ports),
                _ => return None,
            }
        }
        Some(services)
    }
}

/// `net.ipv4.tcp_syncookies = 1` without quotes is a table in a table in TOML; here it is one key again.
fn flatten(given: &BTreeMap<String, Json>) -> Vec<(String, Json)> {
    let mut flat = Vec::new();
    for (name, json) in given {
        match json {
            Json::Object(inner) => {
                let dotted = inner.iter().map(|(key, json)| (format!("{name}.{key}"), json.clone()));
                flat.extend(flatten(&dotted.collect()));
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                flat.push((name.clone(), json.clone()));
            }
        }
    }
    flat
}

fn find<'a>(layer: &'a dyn Layer, name: &str) -> Result<&'a Parameter, DefenseError> {
    let fits = |parameter: &&Parameter| match parameter.name.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => parameter.name == name,
    };
    layer.parameters().iter().find(fits).ok_or_else(|| DefenseError::UnknownParameter {
        layer: layer.name().to_owned(),
        name: name.to_owned(),
        help: help(name, layer.parameters().iter().map(|parameter| parameter.name)),
    })
}

fn preset(parameter: &Parameter, site: &Site) -> Option<Value> {
    match parameter.default {
        Preset::Number(number) => Some(Value::Number(number)),
        Preset::Word(word) => read(parameter.kind, &Json::from(word), site),
        Preset::List(words) => read(parameter.kind, &Json::from(words), site),
        Preset::Tool => Some(Value::Word(site.tool.to_string())),
        Preset::Off => Some(Value::Switch(false)),
        Preset::Nothing => None,
    }
}

fn read(kind: Kind, json: &Json, site: &Site) -> Option<Value> {
    match kind {
        Kind::Number { min, max } => json.as_u64().filter(|n| (min..=max).contains(n)).map(Value::Number),
        Kind::OneOf(words) => word(json, |text| words.contains(&text)),
        Kind::Name => word(json, is_name),
        Kind::Services if json.as_str() == Some("services") => {
            Some(Value::Services(Services::of(&site.services)))
        }
        Kind::Services => Services::read(json.as_array()?).map(Value::Services),
        Kind::Ports => {
            json.as_str()?.parse().ok().filter(|ports: &PortSet| !ports.is_empty()).map(Value::Ports)
        }
        Kind::Sequence => sequence(json.as_array()?).map(Value::Sequence),
        Kind::Switch => json.as_bool().map(Value::Switch),
        Kind::Ranges => {
            let ranges: Option<Vec<IpNet>> =
                json.as_array()?.iter().map(|range| range.as_str()?.parse().ok()).collect();
            ranges.map(|ranges| Value::Ranges(IpNet::aggregate(&ranges)))
        }
        Kind::Sysctl => match json {
            Json::Number(number) => Some(Value::Word(number.to_string())),
            Json::Bool(on) => Some(Value::Word(u8::from(*on).to_string())),
            Json::String(_) => word(json, |text| !text.is_empty() && !text.contains(['\n', '\0'])),
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        },
    }
}

/// Longer ones are nobody's, and each step is a list of the kernel's.
const STEPS_MAX: usize = 16;

fn sequence(items: &[Json]) -> Option<Vec<(Protocol, u16)>> {
    let step = |item: &Json| {
        let (protocol, port) = item.as_str()?.split_once('/')?;
        let protocol = [Protocol::Tcp, Protocol::Udp].into_iter().find(|one| one.to_string() == protocol)?;
        Some((protocol, port.parse().ok().filter(|&port: &u16| port > 0)?))
    };
    let steps: Vec<_> = items.iter().map(step).collect::<Option<_>>()?;
    (1..=STEPS_MAX).contains(&steps.len()).then_some(steps)
}

fn word(json: &Json, fits: impl Fn(&str) -> bool) -> Option<Value> {
    json.as_str().filter(|text| fits(text)).map(|text| Value::Word(text.to_owned()))
}

/// The kernel's limit for an ipset name, which is the shortest of all; a name goes into rules unquoted.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=31).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(fits)
}

fn as_written(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use scandrill_model::{Backend, ServiceKind};
    use serde_json::json;

    use super::*;
    use crate::layers::find as layer;

    fn site() -> Site {
        let service = |protocol, port| ServicePlan { protocol, port, kind: ServiceKind::Banner };
        let services =
            vec![service(Protocol::Tcp, 80), service(Protocol::Tcp, 22), service(Protocol::Udp, 53)];
        Site { backend: Backend::Nft, tool: Tool::Iptables, services, interface: "eth0".to_owned() }
    }

    fn settings(name: &str, given: &[(&str, Json)]) -> Result<Settings, DefenseError> {
        let given = given.iter().map(|(key, json)| ((*key).to_owned(), json.clone())).collect();
        Settings::read(layer(name).unwrap(), &given, &site())
    }

    #[test]
    fn what_is_left_out_gets_its_default() {
        let settings = settings("recent", &[("hitcount", json!(3))]).unwrap();
        assert_eq!((settings.number("seconds"), settings.number("hitcount")), (60, 3));
        assert_eq!(settings.word("order"), "set-first");
    }

    #[test]
    fn services_are_the_sites_or_a_list() {
        let default = settings("drop", &[]).unwrap().services("allow");
        assert_eq!((default.tcp.to_string(), default.udp.to_string()), ("22,80".to_owned(), "53".to_owned()));
        let list = json!(["tcp/22", "tcp/8000-8010", "udp/53"]);
        let listed = settings("drop", &[("allow", list)]).unwrap().services("allow");
        assert_eq!(listed.tcp.to_string(), "22,8000-8010");
        for wrong in
            [json!("all"), json!(22), json!(["22"]), json!(["sctp/22"]), json!(["tcp/0"]), json!([22])]
        {
            assert!(settings("drop", &[("allow", wrong.clone())]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_are_told_apart_by_their_family() {
        let ranges = json!(["198.19.200.0/24", "fd00:198:18:8000::/64", "198.19.201.0/24"]);
        let allowlist = settings("allowlist", &[("trusted", ranges)]).unwrap();
        let texts = |family| {
            let ranges = allowlist.ranges("trusted", family);
            ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            texts(Some(Family::V4)),
            "198.19.200.0/23",
            "neighbours are one range, as no set has two that overlap"
        );
        assert_eq!(texts(Some(Family::V6)), "fd00:198:18:8000::/64");
        assert_eq!(texts(None), "198.19.200.0/23 fd00:198:18:8000::/64");
        for wrong in [json!("198.19.200.0/24"), json!(["crawler"]), json!([24])] {
            assert!(settings("allowlist", &[("trusted", wrong.clone())]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_sequence_is_in_its_order_and_of_ports() {
        let read = |json| settings("knock", &[("sequence", json)]);
        let sequence = read(json!(["udp/9000", "tcp/7000"])).unwrap();
        assert_eq!(sequence.sequence("sequence"), [(Protocol::Udp, 9000), (Protocol::Tcp, 7000)]);
        assert_eq!(settings("knock", &[]).unwrap().sequence("sequence").len(), 3);
        for wrong in [json!([]), json!(["7000"]), json!(["sctp/7000"]), json!(["tcp/0"]), json!("tcp/7000")] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_layer_for_both_tools_takes_the_cases_unless_it_has_its_own() {
        let of_case = |tool| {
            let given = |json: Option<Json>| json.map(|json| ("tool".to_owned(), json)).into_iter().collect();
            let site = Site { tool, ..site() };
            let read = |json| Settings::read(layer("drop").unwrap(), &given(json), &site).unwrap().tool();
            (read(None), read(Some(json!("iptables"))))
        };
        assert_eq!(of_case(Tool::Nftables), (Tool::Nftables, Tool::Iptables));
        assert_eq!(of_case(Tool::Iptables), (Tool::Iptables, Tool::Iptables));
    }

    #[test]
    fn a_wrong_parameter_is_named_with_the_nearest_right_one() {
        let unknown = settings("recent", &[("hitcont", json!(3))]).unwrap_err().to_string();
        assert_eq!(unknown, "layer `recent` has no parameter `hitcont`; did you mean `hitcount`?");
        let wrong = settings("recent", &[("seconds", json!("60s"))]).unwrap_err().to_string();
        assert_eq!(wrong, "layer `recent`, parameter `seconds`: `60s` is not a whole number from 1 to 86400");
        let order = settings("recent", &[("order", json!("update"))]).unwrap_err().to_string();
        assert_eq!(
            order,
            "layer `recent`, parameter `order`: `update` is not one of set-first, update-first"
        );
    }

    #[test]
    fn a_name_cannot_smuggle_an_option_into_a_rule() {
        for wrong in ["", "-j", "a b", "a\nb", "x; reboot", "ä"] {
            assert!(settings("recent", &[("name", json!(wrong))]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_kernel_parameter_may_be_written_with_or_without_quotes() {
        let quoted = settings("sysctl", &[("net.ipv4.tcp_syncookies", json!(1))]).unwrap();
        let dotted = settings("sysctl", &[("net", json!({ "ipv4": { "tcp_syncookies": 1 } }))]).unwrap();
        assert_eq!(quoted, dotted);
        assert_eq!(quoted.word("net.ipv4.tcp_syncookies"), "1");
        let foreign = settings("sysctl", &[("kernel.panic", json!(1))]).unwrap_err();
        assert!(matches!(foreign, DefenseError::UnknownParameter { .. }), "{foreign}");
    }
}
