//! What a layer is: one thing a defense installs, with parameters.

use std::fmt;

use scandrill_model::{Need, Step};

use crate::error::DefenseError;
use crate::settings::Settings;

/// One thing a defense installs. Adding one is one file, one line in the registry and its rules file.
pub trait Layer: Sync {
    /// Its name in a scenario, such as `recent` or `manual/stealth`.
    fn name(&self) -> &'static str;

    /// What it does, in one line, with what it costs.
    fn summary(&self) -> &'static str;

    /// What can be set, in the order of the documentation.
    fn parameters(&self) -> &'static [Parameter];

    /// The steps that install it, in order.
    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError>;

    /// What these steps need from the machine: by default, the programs that load them.
    fn needs(&self, steps: &[Step]) -> Vec<Need> {
        crate::needs(steps)
    }
}

/// Something that can be set in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its key in a scenario. A name that ends in `*` stands for every key that begins so.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value where a scenario says nothing.
    pub default: Preset,
    /// What it means, with its unit.
    pub doc: &'static str,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number from `min` to `max`.
    Number {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A name of letters, digits, `-` and `_`.
    Name,
    /// `services`, which are the target's own, or a list such as `["tcp/22", "udp/53"]`.
    Services,
    /// Port numbers, as `22,8000-8010`.
    Ports,
    /// TCP and UDP ports in their order, as `["tcp/7000", "udp/8000"]`.
    Sequence,
    /// `true` or `false`.
    Switch,
    /// Address ranges of either family, as `["198.19.200.0/24", "fd00:198:18:8000::/64"]`.
    Ranges,
    /// A kernel parameter's value: a number, a word or several numbers in one text.
    Sysctl,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::Name => f.write_str("a name of up to 31 letters, digits, - and _"),
            Self::Services => f.write_str("\"services\" or a list like [\"tcp/22\", \"udp/53\"]"),
            Self::Ports => f.write_str("a text of ports like \"22,8000-8010\""),
            Self::Sequence => f.write_str("a list of 1 to 16 ports like [\"tcp/7000\", \"udp/8000\"]"),
            Self::Switch => f.write_str("true or false"),
            Self::Ranges => {
                f.write_str("a list of ranges like [\"198.19.200.0/24\", \"fd00:198:18:8000::/64\"]")
            }
            Self::Sysctl => f.write_str("a number or a text of one line"),
        }
    }
}

/// A parameter's value where a scenario says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A number.
    Number(u64),
    /// A word.
    Word(&'static str),
    /// A list of words.
    List(&'static [&'static str]),
    /// The tool of the scenario's case.
    Tool,
    /// `false`.
    Off,
    /// It is not set.
    Nothing,
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Word(word) => f.write_str(word),
            Self::List(words) => f.write_str(&words.join(", ")),
            Self::Tool => f.write_str("the case's"),
            Self::Off => f.write_str("false"),
            Self::Nothing => f.write_str("none"),
        }
    }
}
