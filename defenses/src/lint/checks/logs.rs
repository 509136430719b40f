//! Logs that nobody reads, that hide what they are for, or whose lines begin otherwise than they were written.

use super::{Check, Example, Remark};
use crate::lint::rule::{Log, Rule};
use crate::lint::ruleset::{Ruleset, Table};

/// `log-without-reader`.
pub struct WithoutReader;

/// `log-limited`.
pub struct Limited;

/// `log-prefix-cut`.
pub struct PrefixCut;

impl Check for WithoutReader {
    fn name(&self) -> &'static str {
        "log-without-reader"
    }

    fn about(&self) -> &'static str {
        "a log that goes to no file by itself: NFLOG, `log group`, ULOG"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        let reader = ["ulogd", "nflog:", "tshark", "tcpdump -i nflog"];
        let lines = || rules.texts.iter().flat_map(|(_, lines)| lines);
        if lines().any(|line| reader.iter().any(|reader| line.contains(reader))) {
            return Vec::new();
        }
        let to_group = rules.rules().filter_map(|(_, rule)| match rule.log.as_ref()? {
            Log::Kernel => None,
            Log::Group(group) => Some(Remark::new(
                rule.place,
                format!("this goes to netlink group {group} and to no file: it is lost unless a program such as ulogd reads the group"),
                "run ulogd2 on that group, or use LOG (nft: `log` without a group), which goes to the kernel log",
            )),
            Log::Ulog => Some(Remark::new(
                rule.place,
                "kernels have no ULOG since 3.17, so this rule does not load",
                "use NFLOG with ulogd2, or LOG",
            )),
        });
        to_group.collect()
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "*filter\n:INPUT DROP [0:0]\n-A INPUT -j NFLOG --nflog-group 5\nCOMMIT\n",
                sound: "*filter\n:INPUT DROP [0:0]\n-A INPUT -j LOG\nCOMMIT\n",
            },
            Example {
                bad: "table inet t {\nchain c {\ntype filter hook input priority 0;\ntcp dport 23 log group 1 drop\n}\n}\n",
                sound: "table inet t {\nchain c {\ntype filter hook input priority 0;\ntcp dport 23 log drop\n}\n}\n",
            },
        ]
    }
}

impl Check for Limited {
    fn name(&self) -> &'static str {
        "log-limited"
    }

    fn about(&self) -> &'static str {
        "a log with one limit for all sources, which a scan uses up"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        let limited = rules.rules().filter_map(|(_, rule)| {
            let limit = rule.limit.as_ref().filter(|limit| !limit.is_per_source && !limit.is_over)?;
            rule.log.as_ref()?;
            let why = format!("all sources share {} lines: a scan uses them up, and hides itself and others from who counts lines", limit.text);
            let hint = "limit each source by itself (`-m hashlimit --hashlimit-mode srcip`, `add @set { ip saddr limit rate ... } log`)";
            Some(Remark::new(rule.place, why, hint))
        });
        limited.collect()
    }

    fn examples(&self) -> &'static [Example] {
        &[Example {
            bad: "*filter\n:INPUT DROP [0:0]\n-A INPUT -m limit --limit 3/min -j LOG\nCOMMIT\n",
            sound: "*filter\n:INPUT DROP [0:0]\n-A INPUT -m hashlimit --hashlimit-upto 3/min --hashlimit-mode srcip --hashlimit-name a -j LOG\nCOMMIT\n",
        }]
    }
}

/// What the LOG target keeps of a prefix (xt_LOG.h has 30 bytes, with the zero at the end), and NFLOG.
const LOG_PREFIX: usize = 29;
const NFLOG_PREFIX: usize = 63;
/// What nft takes (nf_log.h: 128, with the zero); more does not load.
const NFT_PREFIX: usize = 127;

impl Check for PrefixCut {
    fn name(&self) -> &'static str {
        "log-prefix-cut"
    }

    fn about(&self) -> &'static str {
        "a log prefix that is longer than the kernel keeps"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        let long = rules.rules().filter_map(|((table, _), rule)| {
            let prefix = rule.log_prefix.as_deref().filter(|prefix| !prefix.contains('$'))?;
            let most = longest(table, rule);
            if prefix.len() <= most {
                return None;
            }
            let why = match table {
                Table::Iptables(..) => {
                    format!("lines begin with `{}`: {most} bytes of a prefix are kept", kept(prefix, most))
                }
                Table::Nft(..) => {
                    format!("the prefix has {} bytes, and nft loads none above {most}", prefix.len())
                }
            };
            Some(Remark::new(
                rule.place,
                why,
                "shorten it, and let who searches the log look for the short one",
            ))
        });
        long.collect()
    }

    fn examples(&self) -> &'static [Example] {
        &[Example {
            bad: "*filter\n:INPUT DROP [0:0]\n-A INPUT -j LOG --log-prefix \"IPTables-Dropped-By-The-Last-Rule: \"\nCOMMIT\n",
            sound: "*filter\n:INPUT DROP [0:0]\n-A INPUT -j LOG --log-prefix \"IPTables-Dropped: \"\nCOMMIT\n",
        }]
    }
}

fn longest(table: &Table, rule: &Rule) -> usize {
    match (table, &rule.log) {
        (Table::Nft(..), _) => NFT_PREFIX,
        (_, Some(Log::Group(_) | Log::Ulog)) => NFLOG_PREFIX,
        (_, Some(Log::Kernel) | None) => LOG_PREFIX,
    }
}

/// The first bytes of a text, up to a whole character.
fn kept(prefix: &str, most: usize) -> &str {
    let end = (0..=most).rev().find(|end| prefix.is_char_boundary(*end)).unwrap_or_default();
    &prefix[..end]
}
