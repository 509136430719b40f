//! Chains that no packet comes into, because no rule leads to them.

use super::{Check, Example, Remark};
use crate::lint::ruleset::{Key, Ruleset, Table};

/// `unused-chain`.
pub struct UnusedChain;

/// Programs make these chains and lead to them when they are asked to.
const KEPT_READY: [&str; 12] = [
    "ufw-",
    "ufw6-",
    "DOCKER",
    "KUBE-",
    "f2b-",
    "fail2ban-",
    "CNI-",
    "NETAVARK",
    "LIBVIRT_",
    "cali-",
    "cilium",
    "CILIUM_",
];

impl Check for UnusedChain {
    fn name(&self) -> &'static str {
        "unused-chain"
    }

    fn about(&self) -> &'static str {
        "a chain that no rule leads to"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        if rules.has_unclear_jumps || rules.is_partial {
            return Vec::new();
        }
        let unused = rules.chains.iter().filter(|(key, chain)| chain.hook.is_none() && !is_used(rules, key));
        let unused = unused.filter(|(key, _)| !KEPT_READY.iter().any(|start| key.1.starts_with(start)));
        unused.map(|(key, chain)| Remark::new(chain.place, why(key), hint(key))).collect()
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "*filter\n:INPUT DROP [0:0]\n:banned - [0:0]\n-A banned -j DROP\nCOMMIT\n",
                sound: "*filter\n:INPUT DROP [0:0]\n:banned - [0:0]\n-A INPUT -p udp -j banned\n-A banned -j DROP\nCOMMIT\n",
            },
            Example {
                bad: "table inet t {\nchain input {\ntcp dport 22 accept\n}\n}\n",
                sound: "table inet t {\nchain input {\ntype filter hook input priority 0; policy drop;\ntcp dport 22 accept\n}\n}\n",
            },
        ]
    }
}

fn is_used(rules: &Ruleset, key: &Key) -> bool {
    rules.callers(key).next().is_some() || rules.map_jumps.contains_key(key)
}

fn why((_, name): &Key) -> String {
    format!("no rule leads to the chain `{name}`, so nothing in it is ever asked")
}

fn hint((table, name): &Key) -> String {
    match table {
        Table::Iptables(..) => format!("lead to it with `-j {name}`, or take it out"),
        Table::Nft(..) => {
            format!(
                "lead to it with `jump {name}`, or give it a `type filter hook ...` of its own, or take it out"
            )
        }
    }
}
