//! What a network interface takes off the kernel's hands, and the kernel off the interface's, by ethtool(8). As with kernel
//! parameters, what is set is read back.

use std::time::Duration;

use scandrill_model::CommandLine;

use crate::error::LabError;
use crate::host::Host;

/// Longer than ethtool takes.
const LIMIT: Duration = Duration::from_secs(10);

/// Switches `feature` of an interface, named as `ethtool -k` names it, such as `generic-receive-offload`.
pub(crate) async fn set(host: &Host, interface: &str, feature: &str, on: bool) -> Result<(), LabError> {
    ethtool(host, &["-K", interface, feature, word(on)]).await?;
    let observed = get(host, interface, feature).await?;
    if observed == on {
        return Ok(());
    }
    let key = format!("{feature} of {interface}");
    Err(LabError::Sysctl { key, expected: word(on).to_owned(), observed: word(observed).to_owned() })
}

/// Whether `feature` is on.
pub(crate) async fn get(host: &Host, interface: &str, feature: &str) -> Result<bool, LabError> {
    let listed = ethtool(host, &["-k", interface]).await?;
    state(&listed, feature).ok_or_else(|| LabError::Command {
        command: format!("ethtool -k {interface}"),
        status: "no such feature".to_owned(),
        tool_says: feature.to_owned(),
    })
}

async fn ethtool(host: &Host, args: &[&str]) -> Result<String, LabError> {
    let args = args.iter().map(ToString::to_string).collect();
    let command = CommandLine { program: "ethtool".to_owned(), args };
    let finished = host.output(&command, None, LIMIT).await?.success(&command)?;
    Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
}

/// `feature: on`, or `off`, with ` [fixed]` behind it where nothing can change it.
fn state(listed: &str, feature: &str) -> Option<bool> {
    let of_feature = |line: &str| Some(line.trim().strip_prefix(feature)?.strip_prefix(": ")?.to_owned());
    let state = listed.lines().find_map(of_feature)?;
    Some(state.split(' ').next() == Some("on"))
}

pub(crate) fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_found_by_its_whole_name() {
        let listed = "Features for eth0:\nrx-gro-list: on\ntcp-segmentation-offload: on\n\ttx-tcp-segmentation: off\n\
                      generic-receive-offload: off\nlarge-receive-offload: on [fixed]\n";
        assert_eq!(state(listed, "generic-receive-offload"), Some(false));
        assert_eq!(state(listed, "tcp-segmentation-offload"), Some(true));
        assert_eq!(state(listed, "large-receive-offload"), Some(true));
        assert_eq!(state(listed, "receive-offload"), None);
    }
}
