//! Why a defense cannot be planned. Each error names the layer and the operand, and the nearest right thing.

use thiserror::Error;

/// A layer, a parameter or a rules file that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DefenseError {
    /// No layer has this name.
    #[error("no layer is called `{name}`; {help}")]
    UnknownLayer {
        /// As it was written.
        name: String,
        /// The nearest known name, or all of them.
        help: String,
    },
    /// The layer has no such parameter.
    #[error("layer `{layer}` has no parameter `{name}`; {help}")]
    UnknownParameter {
        /// The layer.
        layer: String,
        /// As it was written.
        name: String,
        /// The nearest known parameter, or all of them.
        help: String,
    },
    /// The parameter's value is of another kind.
    #[error("layer `{layer}`, parameter `{name}`: `{found}` is not {expected}")]
    WrongValue {
        /// The layer.
        layer: String,
        /// The parameter.
        name: String,
        /// The value as it was written.
        found: String,
        /// What the parameter takes, in words.
        expected: String,
    },
    /// Parameters that are right alone, but not together.
    #[error("layer `{layer}`: {why}")]
    Contradiction {
        /// The layer.
        layer: String,
        /// What does not fit.
        why: String,
    },
    /// A rules file of this crate does not render; a fault of the layer, not of its user.
    #[error("layer `{layer}`: rendering {file}: {why}")]
    Render {
        /// The layer.
        layer: String,
        /// The rules file.
        file: String,
        /// The template engine's words.
        why: String,
    },
    /// The interface that the user named is not one of the rules'.
    #[error("the rules name no interface `{name}`; they name: {named}")]
    UnknownInterface {
        /// As it was written.
        name: String,
        /// Those that they name.
        named: String,
    },
    /// A rules file without anything in it.
    #[error("`{file}` is empty: there are no rules in it")]
    Empty {
        /// The file's name.
        file: String,
    },
    /// A user's rules file in a format that no loader takes.
    #[error("`{file}` is neither iptables-save format nor an nft file nor a shell script: {why}")]
    UnknownFormat {
        /// The file's name.
        file: String,
        /// What was looked at.
        why: String,
    },
}

/// `did you mean ...?` when something known is near enough, else all that is known.
pub(crate) fn help<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let near = known.iter().rev().max_by(|a, b| likeness(wrong, a).total_cmp(&likeness(wrong, b)));
    match near {
        Some(near) if likeness(wrong, near) >= NEAR => format!("did you mean `{near}`?"),
        _ if known.is_empty() => "it takes none".to_owned(),
        _ => format!("known: {}", known.join(", ")),
    }
}

/// Below this a suggestion would puzzle more than it helps.
const NEAR: f64 = 0.75;

fn likeness(wrong: &str, known: &str) -> f64 {
    let last = known.rsplit('/').next().unwrap_or(known);
    strsim::jaro_winkler(wrong, known).max(strsim::jaro_winkler(wrong, last))
}

#[cfg(test)]
mod tests {
    use super::help;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_lists_all() {
        let known = ["recent", "manual/stealth", "drop"];
        assert_eq!(help("recnt", known.into_iter()), "did you mean `recent`?");
        assert_eq!(help("stealth", known.into_iter()), "did you mean `manual/stealth`?");
        assert_eq!(help("xyz", known.into_iter()), "known: recent, manual/stealth, drop");
        assert_eq!(help("xyz", std::iter::empty()), "it takes none");
    }
}
