//! What can go wrong in a lab. One enum, so that callers can match; every text names the operation and what it
//! was done to.

use std::fmt;
use std::io;
use std::time::Duration;

use nix::errno::Errno;
use thiserror::Error;

/// Why something in a lab did not work.
#[derive(Debug, Error)]
pub enum LabError {
    /// An operation on a file, pipe or socket.
    #[error("{operation}: {source}")]
    Io {
        /// What was done, and to what.
        operation: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A system call.
    #[error("{operation}: {source}")]
    System {
        /// What was done, and to what.
        operation: String,
        /// The system's answer.
        source: Errno,
    },
    /// A request to the kernel's network configuration.
    #[error("{operation}: {source}")]
    Netlink {
        /// What was asked for.
        operation: String,
        /// The kernel's answer.
        source: rtnetlink::Error,
    },
    /// A plan that cannot be built; nothing was made.
    #[error("lab plan: {0}")]
    BadPlan(String),
    /// A name that no host of this lab has.
    #[error("no host `{0}` in this lab")]
    NoSuchHost(String),
    /// The host's thread has ended, or the task panicked there.
    #[error("host {host}: {what} did not finish, because the host was removed or the task panicked")]
    TaskLost {
        /// The host.
        host: String,
        /// What was running.
        what: String,
    },
    /// A condition that did not come true in time.
    #[error("{waited_for}: not within {limit:?}")]
    Deadline {
        /// The condition.
        waited_for: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A program that is nowhere on the lab's search path.
    #[error("program `{0}` not found")]
    NoProgram(String),
    /// A program that ended otherwise than it had to.
    #[error("{command}: {status}: {tool_says}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// Its own words.
        tool_says: String,
    },
    /// A daemon that is not as it must be.
    #[error("daemon {name}: {what}{}", Ending(output))]
    Daemon {
        /// Its name.
        name: String,
        /// What is wrong.
        what: String,
        /// The end of what it has said.
        output: String,
    },
    /// A rules text that its loader refused.
    #[error("{}: {tool_says}{}", Place(origin, *line), Quote(text.as_deref()))]
    Loader {
        /// The file the text came from.
        origin: String,
        /// The line that failed, where the tool says so.
        line: Option<usize>,
        /// That line's text.
        text: Option<String>,
        /// The tool's own words.
        tool_says: String,
    },
    /// A kernel parameter that does not hold the value it was given.
    #[error("sysctl {key}: set to `{expected}`, reads `{observed}`")]
    Sysctl {
        /// Its dotted name.
        key: String,
        /// What it was set to.
        expected: String,
        /// What it reads.
        observed: String,
    },
    /// A service whose port could not be bound.
    #[error("service {service} on {host}: bind {address}: {source}")]
    CannotBind {
        /// The host.
        host: String,
        /// As `tcp/80 http`.
        service: String,
        /// The address with its port.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Packets that the kernel did not take; those before them are on their way.
    #[error("sending packets: {left} were left{}", Because(*source))]
    Unsent {
        /// How many.
        left: usize,
        /// Why, where the kernel says so; it does not when it has taken some of those given to it in one call.
        source: Option<Errno>,
    },
    /// A capture from which the kernel had to leave packets out.
    #[error("capture on {host} {interface}: {dropped} packets dropped")]
    LossyCapture {
        /// Whose end of the link.
        host: String,
        /// The interface.
        interface: String,
        /// How many packets are missing.
        dropped: u64,
    },
    /// Something was left in the kernel that must be gone.
    #[error("{operation}: {difference}")]
    NotAsBefore {
        /// What was done.
        operation: String,
        /// What differs.
        difference: String,
    },
}

struct Because(Option<Errno>);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// Every error of an undo that went on after the first.
#[derive(Debug, Error)]
#[error("{}", Lines(.0))]
pub struct LabErrors(pub Vec<LabError>);

impl LabErrors {
    /// `Ok` when nothing went wrong.
    pub fn check(errors: Vec<LabError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }
}

/// Puts the operation to a system's answer.
pub trait During<T> {
    /// The same result, whose error names what was being done.
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, LabError>;
}

impl<T> During<T> for Result<T, io::Error> {
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, LabError> {
        self.map_err(|source| LabError::Io { operation: operation(), source })
    }
}

impl<T> During<T> for Result<T, Errno> {
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, LabError> {
        self.map_err(|source| LabError::System { operation: operation(), source })
    }
}

impl<T> During<T> for Result<T, rtnetlink::Error> {
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, LabError> {
        self.map_err(|source| LabError::Netlink { operation: operation(), source })
    }
}

struct Ending<'a>(&'a str);

impl fmt::Display for Ending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("; it said nothing")
        } else {
            write!(f, "; it said last:\n{}", self.0)
        }
    }
}

struct Place<'a>(&'a str, Option<usize>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)?;
        self.1.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

struct Quote<'a>(Option<&'a str>);

impl fmt::Display for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |text| write!(f, " (`{text}`)"))
    }
}

struct Lines<'a>(&'a [LabError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_error_names_file_and_line_and_quotes_it() {
        let error = LabError::Loader {
            origin: "my.rules".to_owned(),
            line: Some(3),
            text: Some("-A INPUT -j NOWHERE".to_owned()),
            tool_says: "no chain by that name".to_owned(),
        };
        assert_eq!(error.to_string(), "my.rules:3: no chain by that name (`-A INPUT -j NOWHERE`)");
    }

    #[test]
    fn several_errors_are_told_line_by_line() {
        let errors = vec![LabError::NoSuchHost("red".to_owned()), LabError::NoProgram("nft".to_owned())];
        let told = LabErrors::check(errors).unwrap_err().to_string();
        assert_eq!(told, "no host `red` in this lab\nprogram `nft` not found");
        LabErrors::check(Vec::new()).unwrap();
    }
}
