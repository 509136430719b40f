//! Ports that are hidden until a source has knocked: by rules alone, which keep how far each source is.

use minijinja::{Value, context};
use scandrill_model::{Family, Step};

use super::{TOOL, address};
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, ranges, twins};
use crate::settings::Settings;

/// Lists of xt_recent, or sets whose elements time out.
pub struct Knock;

/// The ports to touch, in their order.
pub(super) const SEQUENCE: Parameter = Parameter {
    name: "sequence",
    kind: Kind::Sequence,
    default: Preset::List(&["tcp/7000", "tcp/8000", "tcp/9000"]),
    doc: "the ports to touch, in this order, like [\"tcp/7000\", \"udp/8000\"]",
};

/// How long the ports stay open.
pub(super) const OPEN: Parameter = Parameter {
    name: "open",
    kind: Kind::Number { min: 1, max: 86_400 },
    default: Preset::Number(30),
    doc: "how many seconds new connections of who has knocked are let in; those that are there go on",
};

/// What is hidden.
pub(super) const PORTS: Parameter = Parameter {
    name: "ports",
    kind: Kind::Ports,
    default: Preset::Word("22"),
    doc: "the TCP ports that are hidden, like \"22,8000-8010\"",
};

const PARAMETERS: &[Parameter] = &[
    SEQUENCE,
    Parameter {
        name: "seconds",
        kind: Kind::Number { min: 1, max: 86_400 },
        default: Preset::Number(10),
        doc: "how many seconds each step may come after the one before",
    },
    OPEN,
    PORTS,
    Parameter {
        name: "order",
        kind: Kind::OneOf(&["strict", "lenient"]),
        default: Preset::Word("strict"),
        doc: "what another new packet of TCP or UDP does that comes between two steps: it takes its source back to the \
              beginning, or nothing",
    },
    TOOL,
];

impl Layer for Knock {
    fn name(&self) -> &'static str {
        "knock"
    }

    fn summary(&self) -> &'static str {
        "hides ports until their source has touched others in a secret order; who hears the sequence, or shares the \
         address, gets in as well"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let rules = install(self.name(), settings, twins!("knock"), |_| values(settings))?;
        Ok(vec![rules])
    }
}

fn values(settings: &Settings) -> Value {
    let steps = settings.sequence("sequence").iter().zip(1..).map(|((protocol, port), number)| {
        context! { number, port, protocol => protocol.to_string() }
    });
    context! {
        steps => steps.collect::<Vec<Value>>(),
        seconds => settings.number("seconds"),
        strict => settings.word("order") == "strict",
        ..doors(settings)
    }
}

/// What is hidden, and how long it is open to whom.
pub(super) fn doors(settings: &Settings) -> Value {
    let family = |family: Family| {
        context! { digit => address::digit(family), source => format!("{} saddr", address::header(family)) }
    };
    context! {
        families => [Family::V4, Family::V6].map(family).to_vec(),
        guarded => ranges(&settings.ports(PORTS.name)),
        open => settings.number(OPEN.name),
    }
}
