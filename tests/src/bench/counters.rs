//! What the kernel counts in a host's network namespace: `/proc/net/snmp` and `/proc/net/netstat` (proc_pid_net(5)).

use std::fs::File;
use std::io::{Read, Seek};

use scandrill_lab::Host;

use super::Outcome;

/// The counters of one host, to be read from any thread: what a file below /proc/net shows was settled when it was
/// opened.
#[derive(Debug)]
pub struct Counters {
    files: Vec<File>,
}

impl Counters {
    /// Opens them.
    pub async fn open(host: &Host) -> Outcome<Self> {
        let open = || ["snmp", "netstat"].map(|name| File::open(format!("/proc/thread-self/net/{name}")));
        let files = host.blocking(open).await?.into_iter().collect::<Result<_, _>>()?;
        Ok(Self { files })
    }

    /// The counter `name` of `group`, such as `InReceives` of `Ip`.
    pub fn read(&mut self, group: &str, name: &str) -> Outcome<u64> {
        for file in &mut self.files {
            file.rewind()?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            if let Some(value) = find(&text, group, name) {
                return Ok(value);
            }
        }
        Err(format!("the kernel has no counter {group} {name}").into())
    }
}

/// A line of names, and below it one of values, both behind `group:`.
fn find(text: &str, group: &str, name: &str) -> Option<u64> {
    let prefix = format!("{group}: ");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(&prefix));
    let at = lines.next()?.split(' ').position(|word| word == name)?;
    lines.next()?.split(' ').nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_below_its_name() {
        let text = "Ip: Forwarding InReceives\nIp: 2 77\nIcmp: InMsgs\nIcmp: 5\n";
        assert_eq!((find(text, "Ip", "InReceives"), find(text, "Icmp", "InMsgs")), (Some(77), Some(5)));
        assert_eq!((find(text, "Ip", "InMsgs"), find(text, "Udp", "InMsgs")), (None, None));
    }
}
