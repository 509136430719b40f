//! What a defense asks for: what it needs from the machine, and the steps that install it. Data; the lab
//! executes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::address::Family;

/// Which of the two kernel interfaces the iptables commands speak to. Always chosen, never the machine's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, Display, EnumIter, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Backend {
    /// iptables-nft: the rules become nftables rules.
    #[default]
    Nft,
    /// iptables-legacy: the kernel's own ip_tables.
    Legacy,
}

/// Which program installs a defense that exists for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, Display, EnumIter, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Tool {
    /// iptables and ip6tables, of the case's back end.
    #[default]
    Iptables,
    /// nft: one table for both families.
    Nftables,
}

/// Something that must be there before a case can run; where it is missing, the case is skipped by this name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A program that is found on the lab's search path, by its file name.
    Program(String),
    /// A file or folder of a lab, by its absolute path.
    File(String),
    /// More than one user id in the lab: root, or a range for newuidmap.
    UserIdRange,
    /// What only the machine's own root may do.
    Root,
    /// Something that listens on SCTP ports: the kernel, or the library usrsctp.
    Sctp,
}

/// The program that takes a rules text, and how it reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Loader {
    /// iptables-restore or ip6tables-restore of one back end: the text is in iptables-save format.
    IptablesRestore {
        /// Which of the two programs.
        family: Family,
        /// Which back end.
        backend: Backend,
    },
    /// `nft -f`.
    Nft,
    /// `ipset restore`.
    IpsetRestore,
    /// A shell script of iptables, ip6tables, ipset, nft and sysctl commands, run by bash, where a line that
    /// fails is an error with its number. Its `iptables` is the back end's.
    Script {
        /// Which back end the script's iptables commands are.
        backend: Backend,
    },
}

/// One step of installing a defense on a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Sets a kernel parameter of the host's network namespace, such as `net.ipv4.tcp_syncookies`.
    Sysctl {
        /// Its dotted name.
        key: String,
        /// What it is set to.
        value: String,
    },
    /// Switches what an interface of the host does with packets for the kernel, or the kernel for it, by ethtool(8).
    Offload {
        /// The interface's name.
        interface: String,
        /// As `ethtool -k` names it, such as `generic-receive-offload`.
        feature: String,
        /// Whether it is switched on.
        on: bool,
    },
    /// Gives `text` to a loader on its standard input.
    Load {
        /// Who loads it.
        loader: Loader,
        /// The whole rules text.
        text: String,
        /// The file the text came from, as error messages name it; line numbers are the text's.
        origin: String,
    },
    /// Writes a file into the lab's private file system (/etc, /run, /var/log or /tmp).
    WriteFile {
        /// Absolute path.
        path: String,
        /// Whole content.
        text: String,
    },
    /// Starts a program that goes on running, with the other steps' files and rules in place. The reference install has
    /// none.
    Daemon(Daemon),
}

/// A program that goes on running in the foreground, in the host's network namespace. An operator starts, stops and kills
/// it by the script `/run/scandrill/daemons/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Daemon {
    /// Its name, unique in the lab. What it says goes to `/var/log/NAME.out`.
    pub name: String,
    /// Folders that are made before it starts, as `RuntimeDirectory=` of its unit asks for: a boot empties /run.
    #[serde(default)]
    pub folders: Vec<String>,
    /// What is run. It must not go into the background by itself.
    pub command: CommandLine,
    /// A command that exits with 0 once the daemon does its work; tried until it does. `$PID` is the daemon's process, by
    /// which it is told from one before.
    pub ready: CommandLine,
    /// What it changes in the kernel by itself, by the names of chains, sets and tables, such as `f2b-*`: these, what is
    /// in them, and rules that refer to them are no part of what is read back.
    #[serde(default)]
    pub owns: Vec<String>,
}

/// A program and its arguments, to be run inside a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CommandLine {
    /// A file name, found on the lab's search path, or an absolute path.
    pub program: String,
    /// Its arguments, without the program's own name.
    pub args: Vec<String>,
}

impl CommandLine {
    /// A script of bash that ends with the first command that fails.
    pub fn bash(script: &str) -> Self {
        Self { program: "bash".to_owned(), args: vec!["-ec".to_owned(), script.to_owned()] }
    }
}
