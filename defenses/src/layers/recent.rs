//! A counter of new packets per source, by the kernel's recent list: the manual's step 2 with its numbers free; and its
//! twin of nftables, which keeps the same stamps in a set whose elements time out.

use minijinja::{Value, context};
use scandrill_model::{Family, Step, Tool};

use super::TOOL;
use super::address::{self, PREFIX4, PREFIX6};
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, ranges, twins};
use crate::settings::Settings;

/// xt_recent over both families, or what counts alike in nftables.
pub struct Recent;

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "seconds",
        // A day: longer windows outlast the list's memory in any case.
        kind: Kind::Number { min: 1, max: 86_400 },
        default: Preset::Number(60),
        doc: "the window, in seconds; the ban ends when none of the source's packets is younger",
    },
    Parameter {
        name: "hitcount",
        // Greater ones fail to load on current kernels.
        kind: Kind::Number { min: 1, max: 65_535 },
        default: Preset::Number(10),
        doc: "how many packets within the window are too many (kernels before 3.19 take 20 at most)",
    },
    Parameter {
        name: "name",
        kind: Kind::Name,
        default: Preset::Word("DEFAULT"),
        doc: "the list's name in /proc/net/xt_recent, where rules that share a name share their counts, and the first \
              one's mask; with nftables the table's, where a second layer of that name replaces the first",
    },
    Parameter {
        name: "order",
        kind: Kind::OneOf(&["set-first", "update-first"]),
        default: Preset::Word("set-first"),
        doc: "which rule comes first: with set-first hitcount - 1 packets pass, and each that is dropped counts twice; \
              with update-first hitcount pass",
    },
    Parameter {
        name: "protocol",
        kind: Kind::OneOf(&["tcp", "udp"]),
        default: Preset::Word("tcp"),
        doc: "whose new packets count",
    },
    Parameter {
        name: "ports",
        kind: Kind::Ports,
        default: Preset::Nothing,
        doc: "the destination ports that count and are dropped, like \"1-21,23\"; all by default",
    },
    Parameter {
        name: "key",
        kind: Kind::OneOf(&["source", "destination"]),
        default: Preset::Word("source"),
        doc: "whose address is listed (--rsource, --rdest); by destination all sources are counted as one",
    },
    PREFIX4,
    PREFIX6,
    Parameter {
        name: "rttl",
        kind: Kind::Switch,
        default: Preset::Off,
        doc: "drops only packets whose time to live, or hop limit, is that of the last one that was counted (--rttl, \
              iptables only): behind set-first, that is each packet's own",
    },
    Parameter {
        name: "reap",
        kind: Kind::Switch,
        default: Preset::Off,
        doc: "forgets the oldest entry once it is older than the window (--reap, iptables only)",
    },
    TOOL,
];

impl Layer for Recent {
    fn name(&self) -> &'static str {
        "recent"
    }

    fn summary(&self) -> &'static str {
        "drops a source that sends too many new packets within a time, over both families; it cannot tell a scanner \
         from a browser, and xt_recent's list holds 100 sources"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        self.check(settings)?;
        let context = |family: Option<Family>| match family {
            Some(family) => list(settings, family),
            None => ring(settings),
        };
        Ok(vec![install(self.name(), settings, twins!("recent"), context)?])
    }
}

impl Recent {
    fn check(&self, settings: &Settings) -> Result<(), DefenseError> {
        if settings.tool() == Tool::Iptables {
            return Ok(());
        }
        let alone = ["reap", "rttl"].into_iter().find(|option| settings.is_on(option));
        let why = match alone {
            Some(option) => format!("`{option}` is xt_recent's alone: leave it out with nftables"),
            None if settings.number("hitcount") > STAMPS_MAX => {
                format!("with nftables each stamp of a source is a rule: `hitcount` is {STAMPS_MAX} at most")
            }
            None => return Ok(()),
        };
        Err(DefenseError::Contradiction { layer: self.name().to_owned(), why })
    }
}

/// More rules than these do not fit into the message that an ordinary user's nft may send (net.core.wmem_max).
const STAMPS_MAX: u64 = 100;

/// What xt_recent's rules are rendered with.
fn list(settings: &Settings, family: Family) -> Value {
    let side = if settings.word("key") == "destination" { " --rdest" } else { "" };
    let mask = address::mask(settings, family).map(|mask| format!(" --mask {mask}")).unwrap_or_default();
    // The first rule that names a list gives it its mask, over both families.
    let masked = [Family::V4, Family::V6].iter().any(|family| address::mask(settings, *family).is_some());
    let own = if masked && family == Family::V6 { "6" } else { "" };
    context! {
        list => format!("--name {}{own}{mask}{side}", settings.word("name")),
        reap => if settings.is_on("reap") { " --reap" } else { "" },
        rttl => if settings.is_on("rttl") { " --rttl" } else { "" },
        ..numbers(settings)
    }
}

/// What the twin's rules are rendered with: a ring of as many stamps for each source as may be younger than the window
/// when its next packet comes.
fn ring(settings: &Settings) -> Value {
    let judged_itself = u64::from(settings.word("order") == "set-first");
    let families: Vec<Value> = [Family::V4, Family::V6].iter().map(|family| key(settings, *family)).collect();
    let slots = settings.number("hitcount") - judged_itself;
    context! { families, slots, name => settings.word("name"), ..numbers(settings) }
}

/// One family's key in nft: its type, and how it is made of a packet.
fn key(settings: &Settings, family: Family) -> Value {
    let side = if settings.word("key") == "destination" { "daddr" } else { "saddr" };
    context! {
        digit => address::digit(family),
        kind => format!("{} {side}", address::header(family)),
        key => address::nft(settings, family, side),
    }
}

fn numbers(settings: &Settings) -> Value {
    context! {
        seconds => settings.number("seconds"),
        hitcount => settings.number("hitcount"),
        protocol => settings.word("protocol"),
        order => settings.word("order"),
        ports => ranges(&settings.ports("ports")),
    }
}
