//! The rules that a host's kernel holds, chain by chain and in their order, with what they matched: of nftables, in whose
//! tables iptables-nft's are, and of iptables-legacy.

use scandrill_model::{Family, HookVerdict};

use super::ChainName;

/// Lists everything but the elements of sets, each part under a heading.
pub(super) const LIST: &str = r#"echo '== nft'
nft -a -t list ruleset
for family in ip ip6; do
    if grep -qs . /proc/net/${family}_tables_names; then echo "== $family"; ${family}tables-legacy-save -c; fi
done
"#;

/// All rules of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// Its chains, in the order of the listing.
    pub(super) chains: Vec<Chain>,
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Its name.
    pub(super) name: ChainName,
    /// Whether it is iptables-legacy's.
    pub(super) legacy: bool,
    /// Its hook; `None` where others lead to it.
    pub(super) hook: Option<String>,
    /// Its policy, where it has one.
    pub(super) policy: Option<String>,
    /// Its rules in order.
    pub(super) rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// nftables' number of it.
    pub(super) handle: Option<u64>,
    /// In its tool's words.
    pub(super) text: String,
    /// Packets it matched; `None` where they are not counted.
    pub(super) packets: Option<u64>,
}

impl Rules {
    /// The chain of that name.
    pub(super) fn chain(&self, name: &ChainName, legacy: bool) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.legacy == legacy && chain.name == *name)
    }

    /// Whether anything of theirs makes the kernel track connections.
    pub(super) fn use_conntrack(&self) -> bool {
        const WORDS: [&str; 7] =
            ["ct", "--ctstate", "state", "connlimit", "connmark", "conntrack", "synproxy"];
        let rules = || self.chains.iter().flat_map(|chain| &chain.rules);
        self.chains.iter().any(|chain| chain.name.table == "nat" || chain.policy.as_deref() == Some("nat"))
            || rules().any(|rule| rule.text.split_whitespace().any(|word| WORDS.contains(&word)))
    }

    /// Whether there are any of iptables-legacy's for a family.
    pub(super) fn have_legacy(&self, family: Family) -> bool {
        let name = if family == Family::V4 { "ip" } else { "ip6" };
        self.chains.iter().any(|chain| chain.legacy && chain.name.family == name)
    }

    /// Reads what [`LIST`] printed.
    pub(super) fn parse(listed: &str) -> Self {
        let (mut rules, mut reader) = (Self::default(), Reader::default());
        let mut part = "nft";
        for line in listed.lines() {
            match line.strip_prefix("== ") {
                Some(heading) => part = heading,
                None if part == "nft" => reader.nft_line(line, &mut rules.chains),
                None => reader.legacy_line(part, line, &mut rules.chains),
            }
        }
        rules
    }
}

impl Chain {
    /// The place of the rule with that number, from 0.
    pub(super) fn place(&self, handle: u64) -> Option<usize> {
        self.rules.iter().position(|rule| rule.handle == Some(handle))
    }
}

/// Where a reader is.
#[derive(Default)]
struct Reader {
    family: String,
    table: String,
    is_in_chain: bool,
    /// A rule that goes on in the next line, as one with many elements does.
    begun: String,
}

impl Reader {
    fn named(&self, family: String, chain: &str) -> ChainName {
        ChainName { family, table: self.table.clone(), chain: chain.to_owned() }
    }

    fn nft_line(&mut self, line: &str, chains: &mut Vec<Chain>) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.as_slice(), line.starts_with("\t\t")) {
            (["table", family, table, "{", ..], false) => {
                (self.family, self.table) = ((*family).to_owned(), (*table).to_owned());
            }
            (["chain", name, "{", ..], false) => {
                self.is_in_chain = true;
                chains.push(Chain { name: self.named(self.family.clone(), name), ..Chain::default() });
            }
            (["}"], false) => self.is_in_chain = false,
            (["type", kind, "hook", hook, ..], true) if self.is_in_chain => {
                if let Some(chain) = chains.last_mut() {
                    chain.hook = Some((*hook).to_owned());
                    chain.policy = Some((*kind).to_owned()).filter(|kind| kind == "nat");
                }
            }
            (_, true) if self.is_in_chain => self.nft_rule(line, chains),
            (_, _) => {}
        }
    }

    fn nft_rule(&mut self, line: &str, chains: &mut [Chain]) {
        self.begun.push_str(line.trim());
        let Some((text, handle)) = self.begun.rsplit_once(" # handle ") else {
            self.begun.push(' ');
            return;
        };
        let (text, handle) = (text.to_owned(), handle.parse().ok());
        self.begun.clear();
        if let Some(chain) = chains.last_mut() {
            let (text, packets) = counted(&text);
            chain.rules.push(Rule { handle, text, packets });
        }
    }

    fn legacy_line(&mut self, family: &str, line: &str, chains: &mut Vec<Chain>) {
        if let Some(table) = line.strip_prefix('*') {
            table.trim().clone_into(&mut self.table);
        } else if let Some(rest) = line.strip_prefix(':') {
            let mut words = rest.split(' ');
            let (Some(name), policy) = (words.next(), words.next().filter(|policy| *policy != "-")) else {
                return;
            };
            chains.push(Chain {
                name: self.named(family.to_owned(), name),
                legacy: true,
                hook: policy.map(|_| name.to_lowercase()),
                policy: policy.map(str::to_owned),
                rules: Vec::new(),
            });
        } else if let Some((packets, rule)) = legacy_rule(line) {
            let name = rule.split(' ').nth(1).unwrap_or_default();
            let name = self.named(family.to_owned(), name);
            let own = |chain: &&mut Chain| chain.legacy && chain.name == name;
            if let Some(chain) = chains.iter_mut().find(own) {
                chain.rules.push(Rule { handle: None, text: rule.to_owned(), packets });
            }
        }
    }
}

/// `[3:180] -A INPUT ...`: the packets, and the rule.
fn legacy_rule(line: &str) -> Option<(Option<u64>, &str)> {
    let (counts, rule) = line.strip_prefix('[')?.split_once("] ")?;
    Some((counts.split(':').next()?.parse().ok(), rule)).filter(|(_, rule)| rule.starts_with("-A "))
}

/// A rule as it was written, and the packets that it counted: a listing has numbers behind each counter.
fn counted(text: &str) -> (String, Option<u64>) {
    let words: Vec<&str> = text.split(' ').collect();
    let (mut kept, mut packets) = (Vec::with_capacity(words.len()), None);
    let mut at = 0;
    while let Some(word) = words.get(at) {
        kept.push(*word);
        let counts = *word == "counter" && words.get(at + 1) == Some(&"packets");
        if counts {
            packets = words.get(at + 2).and_then(|number| number.parse().ok());
        }
        at += if counts { 5 } else { 1 };
    }
    (kept.join(" "), packets)
}

/// What a rule of iptables-legacy says of a packet that it matches, by its target. A target that is not built in is a chain
/// of somebody's, in lower case or not, or goes on.
pub(super) fn verdict_of(text: &str) -> HookVerdict {
    let words: Vec<&str> = text.split(' ').collect();
    let behind = |option: &str| words.windows(2).find(|pair| pair[0] == option).map(|pair| pair[1]);
    if behind("-g").is_some() {
        return HookVerdict::Jump;
    }
    match behind("-j").or_else(|| behind("policy")) {
        None => HookVerdict::Continue,
        Some(target) => match target.to_ascii_uppercase().as_str() {
            "ACCEPT" | "DNAT" | "SNAT" | "MASQUERADE" | "REDIRECT" => HookVerdict::Accept,
            "DROP" => HookVerdict::Drop,
            "REJECT" => HookVerdict::Reject,
            "RETURN" => HookVerdict::Return,
            "QUEUE" | "NFQUEUE" | "SYNPROXY" | "TARPIT" => HookVerdict::Stolen,
            "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "SET" | "CT" | "NOTRACK" | "TRACE" | "TTL" | "TCPMSS"
            | "DSCP" | "TOS" | "CLASSIFY" | "AUDIT" | "CHECKSUM" | "HL" => HookVerdict::Continue,
            _ => HookVerdict::Jump,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "== nft\ntable inet t { # handle 1\n\tset s { # handle 9\n\t\ttype ipv4_addr\n\t}\n\n\
        \tchain input { # handle 1\n\t\ttype filter hook input priority filter; policy drop;\n\
        \t\ttcp dport { 22,\n\t\t\t     80 } counter packets 3 bytes 180 accept # handle 4\n\
        \t\tjump sub # handle 5\n\t}\n\n\tchain sub { # handle 2\n\t}\n}\n\
        == ip\n*raw\n:PREROUTING ACCEPT [1:2]\nCOMMIT\n*filter\n:INPUT DROP [7:420]\n:OWN - [0:0]\n\
        [9:360] -A INPUT -p tcp -j OWN\n[0:0] -A OWN -j DROP\nCOMMIT\n";

    fn name(family: &str, table: &str, chain: &str) -> ChainName {
        ChainName { family: family.to_owned(), table: table.to_owned(), chain: chain.to_owned() }
    }

    #[test]
    fn a_listing_is_read_in_the_order_of_the_kernel() {
        let rules = Rules::parse(LISTED);
        let input = rules.chain(&name("inet", "t", "input"), false).unwrap();
        assert_eq!(input.hook.as_deref(), Some("input"));
        assert_eq!(input.place(5), Some(1));
        assert_eq!(input.rules[0].text, "tcp dport { 22, 80 } counter accept");
        let legacy = rules.chain(&name("ip", "filter", "INPUT"), true).unwrap();
        assert_eq!(legacy.policy.as_deref(), Some("DROP"));
        assert_eq!(rules.chain(&name("ip", "filter", "OWN"), true).unwrap().rules.len(), 1);
        let counts = |chain: &Chain| chain.rules.iter().map(|rule| rule.packets).collect::<Vec<_>>();
        assert_eq!(counts(input), [Some(3), None]);
        assert_eq!(
            (counts(legacy), legacy.rules[0].text.as_str()),
            (vec![Some(9)], "-A INPUT -p tcp -j OWN")
        );
        assert!(rules.have_legacy(Family::V4) && !rules.have_legacy(Family::V6) && !rules.use_conntrack());
    }

    #[test]
    fn a_target_says_what_becomes_of_a_packet() {
        for (text, verdict) in [
            ("-A INPUT -p tcp -j DROP", HookVerdict::Drop),
            ("-A INPUT -j REJECT --reject-with tcp-reset", HookVerdict::Reject),
            ("-A INPUT -m recent --set", HookVerdict::Continue),
            ("-A INPUT -g scans", HookVerdict::Jump),
            ("-A INPUT -j scans", HookVerdict::Jump),
            ("policy drop", HookVerdict::Drop),
        ] {
            assert_eq!(verdict_of(text), verdict, "{text}");
        }
    }
}
