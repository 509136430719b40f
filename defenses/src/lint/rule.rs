//! A rule as the checks see it, whichever tool loads it: what it matches, what it remembers, what it decides.

use super::values::Values;

/// Where something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which of the texts.
    pub text: usize,
    /// Its line, from 1.
    pub line: usize,
}

/// One comparison. Keys are those of nft in short (`dport`, `src`, `ct state`), or the option's name in iptables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// What is compared.
    pub key: String,
    /// Whether it takes what is not among the values.
    pub negated: bool,
    /// With what; `None` where the outcome depends on more than the packet, or was not understood.
    pub values: Option<Values>,
}

impl Match {
    /// A comparison with values.
    pub fn of(key: impl Into<String>, negated: bool, values: Values) -> Self {
        Self { key: key.into(), negated, values: Some(values) }
    }

    /// One of which nothing can be said: it may hold or not.
    pub fn unclear(key: impl Into<String>) -> Self {
        Self { key: key.into(), negated: false, values: None }
    }

    /// Whether each packet for which `other` holds is one for which this holds.
    fn is_implied_by(&self, other: &Self) -> bool {
        let (Some(mine), Some(others)) = (&self.values, &other.values) else { return false };
        self.key == other.key
            && match (self.negated, other.negated) {
                (false, false) => mine.takes_all_of(others),
                (true, true) => others.takes_all_of(mine),
                (true, false) => mine.is_apart_from(others),
                (false, true) => false,
            }
    }

    /// Whether there is no packet for which both hold.
    fn excludes(&self, other: &Self) -> bool {
        let (Some(mine), Some(others)) = (&self.values, &other.values) else { return false };
        self.key == other.key
            && match (self.negated, other.negated) {
                (false, false) => mine.is_apart_from(others),
                (true, false) => mine.takes_all_of(others),
                (false, true) => others.takes_all_of(mine),
                (true, true) => false,
            }
    }
}

/// What becomes of a packet that a rule matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// The next rule looks at it.
    #[default]
    None,
    /// It passes this hook.
    Accept,
    /// It is gone.
    Drop,
    /// It is gone, and its sender is told.
    Reject,
    /// The calling chain goes on, or the policy decides.
    Return,
    /// Another chain looks at it, then the next rule.
    Jump(String),
    /// Another chain looks at it, then the calling chain.
    Goto(String),
    /// Something else that ends the walk through the chain: NAT, a queue.
    Ends,
    /// A target or verdict that is not known: it may end the walk or not.
    Unclear,
}

impl Verdict {
    /// Whether no later rule of the same chain sees the packet.
    pub fn leaves_the_chain(&self) -> bool {
        match self {
            Self::Accept | Self::Drop | Self::Reject | Self::Return | Self::Goto(_) | Self::Ends => true,
            Self::None | Self::Jump(_) | Self::Unclear => false,
        }
    }

    /// The chain that it leads to.
    pub fn chain(&self) -> Option<&str> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => Some(chain),
            Self::None
            | Self::Accept
            | Self::Drop
            | Self::Reject
            | Self::Return
            | Self::Ends
            | Self::Unclear => None,
        }
    }

    /// Whether the packet does not arrive.
    pub fn refuses(&self) -> bool {
        matches!(self, Self::Drop | Self::Reject)
    }
}

/// A rate that a rule holds to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Whether it matches what exceeds the rate, rather than what keeps to it.
    pub is_over: bool,
    /// Whether each source has a bucket of its own.
    pub is_per_source: bool,
    /// As it is written.
    pub text: String,
}

/// What a rule does with a list of xt_recent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// The list.
    pub name: String,
    /// What is done.
    pub act: Act,
    /// Whether it matches where the address is not there.
    pub is_negated: bool,
    /// From how many packets on it matches.
    pub hitcount: Option<u64>,
}

/// What xt_recent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Writes the address down.
    Set,
    /// Looks whether it is there; `--update` writes it down again.
    Check,
    /// Takes it off.
    Remove,
}

/// Something that a rule does with a set of ipset or nft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUse {
    /// The set.
    pub set: String,
    /// Whether the packet's source is in the key.
    pub by_source: bool,
    /// Whether each element has a limit, a counter or the like of its own, which makes the set useful by itself.
    pub counts: bool,
}

/// Where a rule's log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// To the kernel log.
    Kernel,
    /// To the readers of a netlink group.
    Group(String),
    /// To ULOG, which kernels no longer have.
    Ulog,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub place: Place,
    /// Under which conditions of a script it is added; nothing for always.
    pub branch: Vec<usize>,
    /// What must hold, all of it.
    pub matches: Vec<Match>,
    /// What it decides.
    pub verdict: Verdict,
    /// Its rate.
    pub limit: Option<Limit>,
    /// Its lists of xt_recent.
    pub recents: Vec<Recent>,
    /// The sets that it looks in.
    pub lookups: Vec<SetUse>,
    /// The sets that it adds to.
    pub adds: Vec<SetUse>,
    /// Where it logs.
    pub log: Option<Log>,
    /// What stands before each line that it logs.
    pub log_prefix: Option<String>,
    /// As its tool reads it, in one line; rules that are the same have the same.
    pub text: String,
}

impl Rule {
    /// Whether every packet that `other` matches is one that this matches, for certain.
    pub fn covers(&self, other: &Self) -> bool {
        self.matches.iter().all(|own| other.matches.iter().any(|theirs| own.is_implied_by(theirs)))
    }

    /// Whether no packet is matched by both, for certain.
    pub fn is_apart_from(&self, other: &Self) -> bool {
        self.matches.iter().any(|own| other.matches.iter().any(|theirs| own.excludes(theirs)))
    }

    /// Whether it is there whenever `other` is.
    pub fn is_there_with(&self, other: &Self) -> bool {
        other.branch.starts_with(&self.branch)
    }

    /// The match of that key, where it is understood.
    pub fn compared(&self, key: &str) -> Option<&Match> {
        self.matches.iter().find(|one| one.key == key && one.values.is_some())
    }

    /// Whether it takes packets of this state of a connection alone.
    pub fn is_for_state(&self, state: &str) -> bool {
        let Some(Match { negated: false, values: Some(Values::Words(states)), .. }) =
            self.compared("ct state")
        else {
            return false;
        };
        states.len() == 1 && states.contains(state)
    }

    /// Whether it is a source's list that makes it match.
    pub fn checks_sources(&self) -> bool {
        let checks = |recent: &Recent| recent.act == Act::Check && !recent.is_negated;
        self.recents.iter().any(checks) || self.lookups.iter().any(|lookup| lookup.by_source)
    }
}
