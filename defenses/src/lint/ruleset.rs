//! All rules of some texts that belong together: chains with their rules in order, sets, and the ways from one chain to
//! another.

use std::collections::{BTreeMap, BTreeSet};

use scandrill_model::Family;

use super::rule::{Place, Rule, SetUse, Verdict};

/// A table of either tool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// One of iptables or ip6tables.
    Iptables(Family, String),
    /// One of nft: its family and its name.
    Nft(String, String),
}

impl Table {
    /// Whether its rules see packets of this IP version.
    pub fn sees(&self, family: Family) -> bool {
        match self {
            Self::Iptables(own, _) => *own == family,
            Self::Nft(own, _) => match own.as_str() {
                "ip" => family == Family::V4,
                "ip6" => family == Family::V6,
                "inet" | "bridge" | "netdev" => true,
                _ => false,
            },
        }
    }
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Where it is first named.
    pub place: Place,
    /// The hook that packets come from; `None` for a chain that others lead to.
    pub hook: Option<String>,
    /// `filter`, `nat` and so on.
    pub kind: String,
    /// What becomes of packets at its end; accepted where nothing is said.
    pub policy: Option<Verdict>,
    /// Its rules in order.
    pub rules: Vec<Rule>,
}

impl Chain {
    /// Whether it decides on packets to the host or through it.
    pub fn guards(&self) -> bool {
        let hooks = ["input", "forward", "prerouting", "ingress"];
        self.kind == "filter" && self.hook.as_ref().is_some_and(|hook| hooks.contains(&hook.as_str()))
    }

    /// Whether what no rule decides does not arrive.
    pub fn refuses_by_policy(&self) -> bool {
        self.policy.as_ref().is_some_and(Verdict::refuses)
    }
}

/// A set or map of ipset or nft.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// Where it is made.
    pub place: Place,
    /// Whether something is in it from the start, or put into it by the text.
    pub is_filled: bool,
    /// Whether another set or a map leads to it.
    pub is_named: bool,
    /// Whether its elements time out, as those of bans do.
    pub times_out: bool,
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    /// Each text's name and lines.
    pub texts: Vec<(String, Vec<String>)>,
    /// Chains by table and name.
    pub chains: BTreeMap<(Table, String), Chain>,
    /// Sets by table (none for ipset's) and name.
    pub sets: BTreeMap<(Option<Table>, String), Set>,
    /// Chains that the elements of a map lead to, with the map's name.
    pub map_jumps: BTreeMap<Key, String>,
    /// What modules were told when they were loaded: `ip_pkt_list_tot` of xt_recent, with its place.
    pub packets_kept: Option<(u64, Place)>,
    /// Whether the texts name other files, so that what is missing here may be there.
    pub is_partial: bool,
    /// Whether some jump's target is not known.
    pub has_unclear_jumps: bool,
}

/// A chain's key.
pub type Key = (Table, String);

impl Ruleset {
    /// The chain, made where it is new.
    pub fn chain(&mut self, table: &Table, name: &str, place: Place) -> &mut Chain {
        self.chains.entry((table.clone(), name.to_owned())).or_insert_with(|| {
            let base = match table {
                Table::Iptables(_, table) => built_in(table, name),
                Table::Nft(..) => None,
            };
            let kind = if let Table::Iptables(_, table) = table { table.clone() } else { String::new() };
            Chain { place, kind, hook: base, ..Chain::default() }
        })
    }

    /// The set, made where it is new.
    pub fn set(&mut self, table: Option<&Table>, name: &str, place: Place) -> &mut Set {
        self.sets.entry((table.cloned(), name.to_owned())).or_insert_with(|| Set { place, ..Set::default() })
    }

    /// Forgets what is in the tables that `gone` names.
    pub fn forget(&mut self, gone: impl Fn(&Table) -> bool) {
        self.chains.retain(|(table, _), _| !gone(table));
        self.sets.retain(|(table, _), _| !table.as_ref().is_some_and(&gone));
    }

    /// Every rule with its chain, in the order of the chains.
    pub fn rules(&self) -> impl Iterator<Item = (&Key, &Rule)> {
        self.chains.iter().flat_map(|(key, chain)| chain.rules.iter().map(move |rule| (key, rule)))
    }

    /// The line of the text at a place, without blanks around it.
    pub fn line(&self, place: Place) -> &str {
        let line = self.texts.get(place.text).and_then(|(_, lines)| lines.get(place.line.checked_sub(1)?));
        line.map_or("", |line| line.trim())
    }

    /// The name of the text at a place.
    pub fn file(&self, place: Place) -> &str {
        self.texts.get(place.text).map_or("", |(name, _)| name)
    }

    /// `line 7`, or `FILE line 7` where that is another than `from`'s.
    pub fn told(&self, place: Place, from: Place) -> String {
        if place.text == from.text {
            return format!("line {}", place.line);
        }
        format!("{} line {}", self.file(place), place.line)
    }

    /// The rules that lead to a chain, each with its own chain and its place there.
    pub fn callers<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = (&'a Key, usize, &'a Rule)> {
        let same_table = self.chains.iter().filter(|((table, _), _)| *table == key.0);
        same_table.flat_map(move |(caller, chain)| {
            let leading = chain.rules.iter().enumerate();
            leading
                .filter(|(_, rule)| rule.verdict.chain() == Some(&key.1))
                .map(move |(at, rule)| (caller, at, rule))
        })
    }

    /// The chain that a rule of `key`'s leads to.
    pub fn led_to(&self, key: &Key, rule: &Rule) -> Option<(&Key, &Chain)> {
        self.chains.get_key_value(&(key.0.clone(), rule.verdict.chain()?.to_owned()))
    }

    /// The chain's key and those of all chains that it leads to, each once.
    pub fn below<'a>(&'a self, key: &'a Key) -> BTreeSet<&'a Key> {
        let mut found = BTreeSet::from([key]);
        let mut open = vec![key];
        while let Some(key) = open.pop() {
            for rule in self.chains.get(key).into_iter().flat_map(|chain| &chain.rules) {
                if let Some((next, _)) = self.led_to(key, rule).filter(|(next, _)| !found.contains(next)) {
                    found.insert(next);
                    open.push(next);
                }
            }
        }
        found
    }

    /// The base chains from which packets come to this one; itself where it is one.
    pub fn bases<'a>(&'a self, key: &'a Key) -> BTreeSet<&'a Key> {
        let mut found = BTreeSet::from([key]);
        let mut open = vec![key];
        while let Some(key) = open.pop() {
            for (caller, _, _) in self.callers(key) {
                if found.insert(caller) {
                    open.push(caller);
                }
            }
        }
        found.retain(|key| self.chains.get(*key).is_some_and(|chain| chain.hook.is_some()));
        found
    }

    /// What every packet that comes into this chain meets in the end, where that is certain and the same for all:
    /// `Some(true)` where it is refused.
    pub fn decides(&self, key: &Key) -> Option<bool> {
        self.decides_below(key, 0)
    }

    fn decides_below(&self, key: &Key, depth: usize) -> Option<bool> {
        let mut met = None;
        for rule in &self.chains.get(key).filter(|_| depth < DEEPEST)?.rules {
            let own = match &rule.verdict {
                Verdict::None => continue,
                Verdict::Accept => false,
                Verdict::Drop | Verdict::Reject => true,
                Verdict::Jump(_) | Verdict::Goto(_) => {
                    let (next, chain) = self.led_to(key, rule)?;
                    if chain.rules.iter().all(|rule| rule.verdict == Verdict::None) {
                        continue;
                    }
                    self.decides_below(next, depth + 1)?
                }
                Verdict::Return | Verdict::Ends | Verdict::Unclear => return None,
            };
            if met.is_some_and(|met| met != own) {
                return None;
            }
            if rule.matches.is_empty() && rule.branch.is_empty() {
                return Some(own);
            }
            met = Some(own);
        }
        None
    }

    /// Every use of a set, with the table that its name belongs to.
    pub fn set_uses<'a>(
        &'a self,
        of: impl Fn(&'a Rule) -> &'a [SetUse] + 'a,
    ) -> impl Iterator<Item = ((Option<Table>, String), &'a Rule, &'a SetUse)> {
        self.rules().flat_map(move |((table, _), rule)| {
            let scope = match table {
                Table::Iptables(..) => None,
                Table::Nft(..) => Some(table.clone()),
            };
            of(rule).iter().map(move |used| ((scope.clone(), used.set.clone()), rule, used))
        })
    }
}

/// More jumps in a row than the kernel allows (16 in nft).
const DEEPEST: usize = 32;

/// The hook of a built-in chain.
fn built_in(table: &str, chain: &str) -> Option<String> {
    let chains: &[&str] = match table {
        "filter" => &["INPUT", "FORWARD", "OUTPUT"],
        "raw" => &["PREROUTING", "OUTPUT"],
        _ => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
    };
    chains.contains(&chain).then(|| chain.to_ascii_lowercase())
}
