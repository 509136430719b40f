//! The manual's commands as it writes them, with its typographic dashes put right, one layer each; they are IPv4
//! commands and leave IPv6 untouched, which is a truth to be shown. Two of its commands are missing because no
//! namespace can run them (`nf_conntrack_max` and conntrack's `hashsize` are the whole machine's), and what is not a
//! rule (saving rules, a ban daemon, watching logs) is no layer.

use scandrill_model::{Loader, Step};

use crate::error::DefenseError;
use crate::layer::{Layer, Parameter};
use crate::render::{RulesFile, rules_file};
use crate::settings::Settings;

/// A layer of the manual.
pub struct Manual {
    name: &'static str,
    summary: &'static str,
    installs: Installs,
}

/// What a layer of the manual is made of.
enum Installs {
    /// A kernel parameter.
    Sysctl(&'static str, &'static str),
    /// A script of commands.
    Script(RulesFile),
    /// Other layers, in order.
    Stack(&'static [&'static Manual]),
}

impl Layer for Manual {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        match &self.installs {
            Installs::Sysctl(key, value) => {
                Ok(vec![Step::Sysctl { key: (*key).to_owned(), value: (*value).to_owned() }])
            }
            Installs::Script(file) => Ok(vec![Step::Load {
                loader: Loader::Script { backend: settings.site().backend },
                text: file.text.to_owned(),
                origin: file.name.to_owned(),
            }]),
            Installs::Stack(layers) => {
                let steps: Result<Vec<_>, _> = layers.iter().map(|layer| layer.steps(settings)).collect();
                Ok(steps?.concat())
            }
        }
    }
}

/// Step 1.
pub static SYN_COOKIES: Manual = Manual {
    name: "manual/syn-cookies",
    summary: "the manual's step 1: SYN cookies on; they act only when an open port's queue overflows",
    installs: Installs::Sysctl("net.ipv4.tcp_syncookies", "1"),
};

/// Step 2.
pub static RECENT: Manual = Manual {
    name: "manual/recent",
    summary: "the manual's step 2: a source's tenth new TCP packet within 60 s is dropped, a browser's too",
    installs: Installs::Script(rules_file!("manual/recent.sh")),
};

/// Step 3.
pub static STEALTH: Manual = Manual {
    name: "manual/stealth",
    summary: "the manual's step 3: drops TCP packets with no flag and with all six; nmap's XMAS has three",
    installs: Installs::Script(rules_file!("manual/stealth.sh")),
};

/// Section C.
pub static ICMP_LIMIT: Manual = Manual {
    name: "manual/icmp-limit",
    summary: "the manual's limit for pings: accepts one a second, and drops nothing",
    installs: Installs::Script(rules_file!("manual/icmp-limit.sh")),
};

/// The answers at the manual's end.
pub static UDP_LIMIT: Manual = Manual {
    name: "manual/udp-limit",
    summary: "the manual's limit for UDP: accepts five packets a second, and drops nothing",
    installs: Installs::Script(rules_file!("manual/udp-limit.sh")),
};

/// The answers at the manual's end.
pub static TTL: Manual = Manual {
    name: "manual/ttl",
    summary: "the manual's disguise against fingerprinting: outgoing packets start with a time to live of 128",
    installs: Installs::Sysctl("net.ipv4.ip_default_ttl", "128"),
};

/// Security hardening.
pub static DROP_POLICY: Manual = Manual {
    name: "manual/drop-policy",
    summary: "the manual's INPUT policy DROP, by itself: it shuts out everyone, services included",
    installs: Installs::Script(rules_file!("manual/drop-policy.sh")),
};

/// Steps 1 to 3 and both limits, in the manual's order.
pub static AS_WRITTEN: Manual = Manual {
    name: "manual/as-written",
    summary: "the manual's steps 1 to 3 and its ICMP and UDP limits, in its order",
    installs: Installs::Stack(&[&SYN_COOKIES, &RECENT, &STEALTH, &ICMP_LIMIT, &UDP_LIMIT]),
};
