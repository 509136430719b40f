//! Why a packet met its fate: the hooks it passed, and the rule that decided, in the user's own text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

use crate::port::PortSet;

/// A file of rules that was installed, as the user wrote it, with what its rules matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleText {
    /// Whose: `target`, `edge`.
    pub host: String,
    /// Its name: a path as the scenario gives it, or a layer's.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Its rules, ascending by line.
    pub rules: Vec<TextLine>,
}

/// One rule of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TextLine {
    /// Where it stands, from 1.
    pub line: u32,
    /// Packets it matched from its installation to its removal; `None` where the kernel does not count them.
    pub packets: Option<u64>,
}

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleAt {
    /// The file of the rule, as in [`RuleText`]; `None` where no text has it: a policy, a daemon's own rule.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: Option<u32>,
    /// The rule in its tool's words, or `policy DROP`.
    pub rule: String,
}

/// The fate of a packet, and of others that went the very same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Whose packets; `None` for one that a person asked for.
    pub actor: Option<String>,
    /// The first of them: `tcp 198.18.0.2:40000 -> 198.18.0.1:22 syn`.
    pub packet: String,
    /// The ports, or protocols, that they asked; 0 where they ask the host.
    pub ports: PortSet,
    /// How many of them were followed. Not all are.
    pub packets: u64,
    /// What conntrack called it; `None` where no conntrack saw it.
    pub conntrack: Option<String>,
    /// The hooks and rules it passed, in order.
    pub path: Vec<Hop>,
    /// The rule that decided; `None` where none did, and the kernel's own stack answered or kept silent.
    pub decided_by: Option<RuleAt>,
    /// What it came to, in a few words: `dropped`, `accepted: closed, no listener`.
    pub fate: String,
    /// How it is known: `nftables trace`, `xtables TRACE`, `counters`.
    pub witness: String,
}

impl Cause {
    /// Whether a rule kept the packets from going on.
    pub fn is_stopped(&self) -> bool {
        self.path.iter().any(|hop| matches!(hop.verdict, HookVerdict::Drop | HookVerdict::Reject))
    }
}

/// One step of a packet's way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// The hook: `prerouting`, `input`, ...
    pub hook: String,
    /// Family, table and chain: `inet filter input`.
    pub chain: String,
    /// The rule that matched; `None` where the chain came to its end.
    pub rule: Option<RuleAt>,
    /// What it said.
    pub verdict: HookVerdict,
}

/// What a rule or chain does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum HookVerdict {
    /// Goes on with the next rule.
    Continue,
    /// Leaves this hook.
    Accept,
    /// Ends here.
    Drop,
    /// Ends here, with an answer.
    Reject,
    /// Goes on in another chain.
    Jump,
    /// Back in the chain before.
    Return,
    /// Taken by a program, or by the kernel for another purpose.
    Stolen,
}
