//! Kernel parameters of a host's network namespace. Each is read back after it was written: the kernel clamps
//! some values without a word.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::error::{During, LabError};

/// Sets `key`, such as `net.ipv4.ip_forward`, in the calling thread's network namespace, and reads it back.
pub(crate) fn set(key: &str, value: &str) -> Result<(), LabError> {
    fs::write(path(key), value).during(|| format!("set sysctl {key} to `{value}`"))?;
    let observed = get(key)?;
    if words(&observed) == words(value) {
        return Ok(());
    }
    Err(LabError::Sysctl { key: key.to_owned(), expected: value.to_owned(), observed })
}

/// The value of `key` in the calling thread's network namespace.
pub(crate) fn get(key: &str) -> Result<String, LabError> {
    let text = fs::read_to_string(path(key)).during(|| format!("read sysctl {key}"))?;
    Ok(text.trim().to_owned())
}

/// Every parameter of the calling thread's network namespace that can be read and set, by its dotted name. Others
/// change by themselves, such as the number of tracked connections.
pub(crate) fn all() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::from("/proc/sys/net")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let Ok(there) = fs::metadata(&path) else { continue };
            if there.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix("/proc/sys").unwrap_or(&path).to_string_lossy();
            let name = name.replace('.', "|").replace('/', ".").replace('|', "/");
            let value = fs::read_to_string(&path).ok().filter(|_| !there.permissions().readonly());
            found.extend(value.map(|value| (name, value.trim().to_owned())));
        }
    }
    found
}

/// Puts every parameter back to what `before` holds of it; gives those that do not take it.
pub(crate) fn restore(before: &BTreeMap<String, String>) -> Vec<LabError> {
    let now = if before.is_empty() { BTreeMap::new() } else { all() };
    let differs = |(key, value): &(&String, &String)| now.get(*key).is_some_and(|now| now != *value);
    before.iter().filter(differs).filter_map(|(key, value)| set(key, value).err()).collect()
}

/// Whether setting `key` changes other parameters, too: those of every interface, and with forwarding also whether
/// redirects are believed (Linux, Documentation/networking/ip-sysctl.rst).
pub(crate) fn has_side_effects(key: &str) -> bool {
    key.contains("forward") || key.contains(".conf.all.")
}

/// The interface that `key` is about; `None` for keys about none, all, or those yet to come.
pub(crate) fn interface_of(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once(".conf.").or_else(|| key.split_once(".neigh."))?;
    let (interface, _) = rest.split_once('.')?;
    (!["all", "default", "lo"].contains(&interface)).then_some(interface)
}

/// Where `key` is found. As in sysctl(8), a slash in a key stands for a dot in a name.
fn path(key: &str) -> PathBuf {
    let swapped: String = key
        .chars()
        .map(|letter| match letter {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect();
    PathBuf::from("/proc/sys").join(swapped)
}

/// Values of several numbers are read back with tabs between them.
fn words(value: &str) -> Vec<&str> {
    value.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_interfaces_are_told_from_others() {
        assert_eq!(interface_of("net.ipv6.conf.eth0.accept_ra"), Some("eth0"));
        assert_eq!(interface_of("net.ipv6.conf.default.accept_ra"), None);
        assert_eq!(interface_of("net.ipv4.neigh.eth1.retrans_time_ms"), Some("eth1"));
        assert_eq!(interface_of("net.ipv4.ip_forward"), None);
    }

    #[test]
    fn a_slash_stands_for_a_dot() {
        assert_eq!(
            path("net.ipv4.conf.eth0/1.rp_filter"),
            PathBuf::from("/proc/sys/net/ipv4/conf/eth0.1/rp_filter")
        );
    }

    #[test]
    fn switches_of_many_interfaces_are_told_from_others() {
        assert!(
            has_side_effects("net.ipv4.ip_forward") && has_side_effects("net.ipv6.conf.all.disable_ipv6")
        );
        assert!(!has_side_effects("net.ipv4.tcp_syncookies"));
    }

    #[test]
    fn a_value_is_read() {
        assert!(!get("kernel.ostype").unwrap().is_empty());
        assert!(get("net.no.such.key").unwrap_err().to_string().starts_with("read sysctl net.no.such.key"));
    }
}
