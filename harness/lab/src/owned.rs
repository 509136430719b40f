//! What daemons change in the kernel by themselves: chains, sets and tables of names that they own, and rules that refer to
//! these. It comes and goes with what the daemon sees, so the reading back of a defense leaves it aside.

use glob::Pattern;
use scandrill_model::Step;
use serde_json::Value;

use crate::error::LabError;
use crate::standin::words;

/// Names that daemons own.
#[derive(Debug, Default)]
pub(crate) struct Owned(Vec<Pattern>);

/// The options of iptables that name a chain or a set.
const REFERENCES: [&str; 5] = ["-j", "-g", "--match-set", "--add-set", "--del-set"];
/// The tables that iptables-nft uses. nft cannot show which set a rule of theirs asks; their own dump does.
const OF_IPTABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];

impl Owned {
    /// The names that daemons among `steps` own.
    pub(crate) fn by(steps: &[Step]) -> Result<Self, LabError> {
        let daemons =
            steps.iter().filter_map(|step| if let Step::Daemon(it) = step { Some(it) } else { None });
        let pattern = |name: &String| {
            Pattern::new(name).map_err(|error| LabError::BadPlan(format!("`{name}` as a name: {error}")))
        };
        daemons.flat_map(|daemon| &daemon.owns).map(pattern).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a line of iptables-save speaks of something owned.
    pub(crate) fn has_line(&self, line: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let words = words(line);
        let chain = line.strip_prefix(':').or_else(|| line.strip_prefix("-A ")).and_then(first_word);
        let referred =
            words.windows(2).filter(|two| REFERENCES.contains(&two[0].as_str())).map(|two| &*two[1]);
        chain.into_iter().chain(referred).any(|name| self.has(name))
    }

    /// Whether a set as ipset(8) saves it, without the word `create`, is owned.
    pub(crate) fn has_set(&self, line: &str) -> bool {
        first_word(line).is_some_and(|name| self.has(name))
    }

    /// Whether an object of nftables is owned, or one of iptables-nft's, which the dump of iptables shows better.
    pub(crate) fn has_object(&self, kind: &str, body: &Value) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let field = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let table = field(if kind == "table" { "name" } else { "table" });
        let name = field(if kind == "rule" { "chain" } else { "name" });
        let of_iptables = ["ip", "ip6"].contains(&field("family")) && OF_IPTABLES.contains(&table);
        of_iptables || self.has(table) || self.has(name) || self.refers(body)
    }

    /// Whether a rule jumps to an owned chain or asks an owned set (`@NAME`).
    fn refers(&self, value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(key, value)| {
                let target = value.as_str().filter(|_| key == "target");
                target.is_some_and(|chain| self.has(chain)) || self.refers(value)
            }),
            Value::Array(values) => values.iter().any(|value| self.refers(value)),
            Value::String(text) => text.strip_prefix('@').is_some_and(|set| self.has(set)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }
}

fn first_word(text: &str) -> Option<&str> {
    text.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use scandrill_model::{CommandLine, Daemon};
    use serde_json::json;

    use super::*;

    fn owned() -> Owned {
        let nothing = CommandLine { program: "true".to_owned(), args: Vec::new() };
        let owns = vec!["f2b-*".to_owned()];
        let daemon = Daemon {
            name: "x".to_owned(),
            folders: Vec::new(),
            command: nothing.clone(),
            ready: nothing,
            owns,
        };
        Owned::by(&[Step::Daemon(daemon)]).unwrap()
    }

    #[test]
    fn chains_sets_and_what_refers_to_them_are_owned() {
        for line in [
            ":f2b-scan - [0:0]",
            "-A f2b-scan -s 198.18.2.10/32 -j REJECT --reject-with icmp-port-unreachable",
            "-A INPUT -p tcp -j f2b-scan",
            "-A INPUT -p tcp -m set --match-set f2b-scan src -j DROP",
        ] {
            assert!(owned().has_line(line), "{line}");
            assert!(!Owned::default().has_line(line), "{line}");
        }
        for line in
            [":INPUT DROP [0:0]", "-A INPUT -j OWN", "-A INPUT -m comment --comment \"-j f2b-scan\" -j DROP"]
        {
            assert!(!owned().has_line(line), "{line}");
        }
        assert!(owned().has_set("f2b-scan hash:ip family inet") && !owned().has_set("trap hash:ip"));
    }

    #[test]
    fn tables_of_nftables_are_owned_with_all_that_is_in_them() {
        let jump = json!({ "family": "inet", "table": "mine", "chain": "in", "expr": [{ "jump": { "target": "f2b-scan" } }] });
        let asks = json!({ "family": "inet", "table": "mine", "chain": "in", "expr": [{ "match": { "right": "@f2b-scan" } }] });
        for (kind, body) in [
            ("table", json!({ "family": "inet", "name": "f2b-table" })),
            ("chain", json!({ "family": "inet", "table": "f2b-table", "name": "input" })),
            ("set", json!({ "family": "inet", "table": "mine", "name": "f2b-scan" })),
            ("rule", json!({ "family": "inet", "table": "mine", "chain": "f2b-scan" })),
            ("rule", jump),
            ("rule", asks),
            ("chain", json!({ "family": "ip", "table": "filter", "name": "INPUT" })),
        ] {
            assert!(owned().has_object(kind, &body), "{kind} {body}");
            assert!(!Owned::default().has_object(kind, &body), "{kind} {body}");
        }
        let mine = json!({ "family": "inet", "table": "mine", "chain": "in", "expr": [{ "drop": null }] });
        assert!(!owned().has_object("rule", &mine));
    }
}
