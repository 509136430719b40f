//! A rule's own words in iptables: its matches with their options, and its target with its.

use super::words::Word;
use crate::lint::rule::{Act, Limit, Log, Match, Place, Recent, Rule, SetUse, Verdict};
use crate::lint::values::Values;

/// Matches whose outcome depends on the packet alone (and on its connection), so that it is the same in the next rule.
const PURE: [&str; 27] = [
    "tcp",
    "udp",
    "udplite",
    "sctp",
    "dccp",
    "icmp",
    "icmp6",
    "icmpv6",
    "multiport",
    "conntrack",
    "state",
    "addrtype",
    "pkttype",
    "iprange",
    "mac",
    "length",
    "ttl",
    "hl",
    "owner",
    "physdev",
    "policy",
    "rt",
    "frag",
    "ah",
    "esp",
    "tcpmss",
    "rpfilter",
];

/// An option with its values.
struct Opt<'a> {
    name: &'a str,
    is_negated: bool,
    values: Vec<&'a str>,
    is_unclear: bool,
}

/// Reads the words after the chain's name.
pub fn rule(words: &[Word], place: Place) -> Rule {
    let mut reader = Reader { rule: Rule { place, ..Rule::default() }, ..Reader::default() };
    let options = options(words);
    for option in &options {
        reader.option(option);
    }
    reader.rule.text = text(&options);
    reader.done()
}

/// One line that is the same for rules that are the same: comments are left out.
fn text(options: &[Opt]) -> String {
    let told = options.iter().filter(|option| !IGNORED.contains(&option.name));
    let told = told.map(|option| {
        let not = if option.is_negated { "! " } else { "" };
        format!("{not}{} {}", option.name, option.values.join(" "))
    });
    told.collect::<Vec<_>>().join(" ")
}

/// What changes nothing of what a rule does.
const IGNORED: [&str; 15] = [
    "--comment",
    "-c",
    "--set-counters",
    "-w",
    "--wait",
    "-W",
    "-n",
    "--numeric",
    "-v",
    "--verbose",
    "-x",
    "-4",
    "--ipv4",
    "-6",
    "--ipv6",
];

fn options(words: &[Word]) -> Vec<Opt<'_>> {
    let mut found: Vec<Opt> = Vec::new();
    let mut negated = false;
    for word in words {
        if word.text == "!" && !word.is_quoted {
            negated = true;
        } else if word.is_option() {
            let (name, value) = match word.text.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ => (word.text.as_str(), None),
            };
            let is_negated = std::mem::take(&mut negated);
            let values = value.into_iter().collect();
            found.push(Opt { name, is_negated, values, is_unclear: word.is_unclear });
        } else if let Some(last) = found.last_mut() {
            // Old iptables has the sign behind the option: `-s ! 10.0.0.1`.
            last.is_negated |= std::mem::take(&mut negated);
            last.is_unclear |= word.is_unclear;
            last.values.push(&word.text);
        } else {
            found.push(Opt { name: "", is_negated: false, values: vec![&word.text], is_unclear: true });
        }
    }
    found
}

#[derive(Default)]
struct Reader<'a> {
    rule: Rule,
    /// The match that options belong to now.
    module: &'a str,
    /// The target, once it is named.
    target: Option<&'a str>,
    /// A target's options follow, which are no matches.
    is_in_target: bool,
    recent: Option<Recent>,
    hash_mode: Option<String>,
}

impl<'a> Reader<'a> {
    fn option(&mut self, option: &Opt<'a>) {
        let first = option.values.first().copied().unwrap_or_default();
        if option.is_unclear {
            self.rule.matches.push(Match::unclear(option.name));
        }
        match option.name {
            "-m" | "--match" => self.begin_match(first),
            "-j" | "--jump" => self.begin_target(first, option.is_unclear, false),
            "-g" | "--goto" => self.begin_target(first, option.is_unclear, true),
            "-p" | "--protocol" | "--proto" => self.compare("proto", option, Some(protocols(first))),
            "-s" | "--source" | "--src" => self.compare("src", option, Some(addresses(first))),
            "-d" | "--destination" | "--dst" => self.compare("dst", option, Some(addresses(first))),
            "-i" | "--in-interface" => self.compare("in", option, Some(Values::words([first]))),
            "-o" | "--out-interface" => self.compare("out", option, Some(Values::words([first]))),
            "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
                self.compare("dport", option, Some(Values::ports(first.split(','))));
            }
            "--sport" | "--source-port" | "--sports" | "--source-ports" => {
                self.compare("sport", option, Some(Values::ports(first.split(','))));
            }
            "--ctstate" | "--state" => self.compare("ct state", option, Some(states(first))),
            "--syn" => self.compare("tcp flags", option, Values::flags("FIN,SYN,RST,ACK", "SYN")),
            "--tcp-flags" => {
                let set = option.values.get(1).copied().unwrap_or_default();
                self.compare("tcp flags", option, Values::flags(first, set));
            }
            name if IGNORED.contains(&name) => {}
            _ => self.other(option, first),
        }
    }

    fn begin_match(&mut self, module: &'a str) {
        self.end_recent();
        self.module = module;
        self.is_in_target = false;
        if module == "recent" {
            self.recent = Some(Recent {
                name: "DEFAULT".to_owned(),
                act: Act::Check,
                is_negated: false,
                hitcount: None,
            });
        }
        if !PURE.contains(&module) && module != "comment" {
            self.rule.matches.push(Match::unclear(format!("-m {module}")));
        }
    }

    fn begin_target(&mut self, target: &'a str, is_unclear: bool, is_goto: bool) {
        self.end_recent();
        self.target = Some(target);
        self.rule.verdict = if is_unclear { Verdict::Unclear } else { verdict(target, is_goto) };
        self.is_in_target = !matches!(self.rule.verdict, Verdict::Jump(_) | Verdict::Goto(_));
        self.rule.log = match target {
            "LOG" => Some(Log::Kernel),
            "NFLOG" => Some(Log::Group("0".to_owned())),
            "ULOG" => Some(Log::Ulog),
            _ => None,
        };
    }

    fn compare(&mut self, key: &str, option: &Opt, values: Option<Values>) {
        let all = key == "proto" && option.values.first().is_some_and(|name| ["all", "0"].contains(name));
        if !option.is_unclear && !all {
            self.rule.matches.push(Match { key: key.to_owned(), negated: option.is_negated, values });
        }
    }

    /// An option of a match or of a target.
    fn other(&mut self, option: &Opt, first: &str) {
        match (option.name, self.module) {
            ("--log-prefix" | "--nflog-prefix" | "--ulog-prefix", _) => {
                self.rule.log_prefix = Some(first.to_owned());
            }
            ("--nflog-group" | "--ulog-nlgroup", _) => {
                if let Some(Log::Group(group)) = &mut self.rule.log {
                    first.clone_into(group);
                }
            }
            ("--add-set", _) => {
                let by_source = option.values.get(1).is_some_and(|sides| sides.contains("src"));
                self.rule.adds.push(SetUse { set: first.to_owned(), by_source, counts: false });
            }
            _ if self.is_in_target => {}
            ("--limit", _) => self.limit(first, false, false),
            ("--match-set", _) | ("--set", "set") => self.look_up(option, first),
            (name, "recent") => self.recent_option(name, option.is_negated, first),
            (name, "hashlimit") => self.hashlimit(name, option, first),
            (name, module) if module.is_empty() || PURE.contains(&module) => {
                let values = option.values.iter().copied();
                let name = if name == "--icmpv6-type" { "--icmp-type" } else { name };
                self.rule.matches.push(Match::of(name, option.is_negated, Values::words(values)));
            }
            _ => {}
        }
    }

    fn limit(&mut self, rate: &str, is_over: bool, is_per_source: bool) {
        self.rule.limit = Some(Limit { is_over, is_per_source, text: rate.to_owned() });
    }

    fn look_up(&mut self, option: &Opt, set: &str) {
        let by_source = !option.is_negated
            && option.values.get(1).is_some_and(|sides| sides.split(',').any(|side| side == "src"));
        self.rule.lookups.push(SetUse { set: set.to_owned(), by_source, counts: false });
    }

    fn recent_option(&mut self, name: &str, is_negated: bool, value: &str) {
        let Some(recent) = &mut self.recent else { return };
        match name {
            "--name" => value.clone_into(&mut recent.name),
            "--set" => recent.act = Act::Set,
            "--remove" => recent.act = Act::Remove,
            "--rcheck" | "--update" => recent.is_negated = is_negated,
            "--hitcount" => recent.hitcount = value.parse().ok(),
            _ => {}
        }
    }

    fn hashlimit(&mut self, name: &str, option: &Opt, value: &str) {
        match name {
            "--hashlimit" | "--hashlimit-upto" => self.limit(value, option.is_negated, false),
            "--hashlimit-above" => self.limit(value, true, false),
            "--hashlimit-mode" => self.hash_mode = Some(value.to_owned()),
            _ => {}
        }
    }

    fn end_recent(&mut self) {
        self.rule.recents.extend(self.recent.take());
    }

    fn done(mut self) -> Rule {
        self.end_recent();
        if let (Some(limit), Some(mode)) = (&mut self.rule.limit, &self.hash_mode) {
            limit.is_per_source = mode.contains("srcip");
        }
        self.rule
    }
}

fn verdict(target: &str, is_goto: bool) -> Verdict {
    match target {
        "ACCEPT" => Verdict::Accept,
        "DROP" => Verdict::Drop,
        "REJECT" | "TARPIT" => Verdict::Reject,
        "RETURN" => Verdict::Return,
        "DNAT" | "SNAT" | "MASQUERADE" | "REDIRECT" | "NETMAP" | "QUEUE" | "NFQUEUE" => Verdict::Ends,
        "" => Verdict::None,
        _ if EXTENSIONS.contains(&target) => Verdict::None,
        chain if is_goto => Verdict::Goto(chain.to_owned()),
        chain => Verdict::Jump(chain.to_owned()),
    }
}

/// Targets after which the next rule looks at the packet (iptables-extensions(8)). SYNPROXY takes some packets and leaves
/// others.
const EXTENSIONS: [&str; 28] = [
    "LOG",
    "NFLOG",
    "ULOG",
    "SET",
    "MARK",
    "CONNMARK",
    "CT",
    "NOTRACK",
    "TRACE",
    "TCPMSS",
    "TOS",
    "DSCP",
    "TTL",
    "HL",
    "CLASSIFY",
    "CHECKSUM",
    "AUDIT",
    "TEE",
    "SECMARK",
    "CONNSECMARK",
    "IDLETIMER",
    "RATEEST",
    "TCPOPTSTRIP",
    "ECN",
    "SYNPROXY",
    "TPROXY",
    "LED",
    "HMARK",
];

fn states(list: &str) -> Values {
    let names: Vec<String> = list.split(',').map(str::to_ascii_lowercase).collect();
    Values::words(names.iter().map(String::as_str))
}

/// One name for each protocol.
fn protocols(name: &str) -> Values {
    Values::words([protocol(name)])
}

/// The name that a protocol goes by here.
pub fn protocol(name: &str) -> &str {
    match name {
        "1" => "icmp",
        "6" => "tcp",
        "17" => "udp",
        "58" | "icmpv6" | "icmp6" => "ipv6-icmp",
        "132" => "sctp",
        name => name,
    }
}

fn addresses(list: &str) -> Values {
    Values::addresses(list.split(','))
}
