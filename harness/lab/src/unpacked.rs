//! The folder of daemons: what set-up (`setup.sh`) unpacked of packages that must not be installed on this machine,
//! where they would start. Every lab lays it over its own /usr, /etc and /var; on the machine itself nothing of it runs.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

/// Names another folder.
const CHOSEN: &str = "SCANDRILL_DAEMONS";
/// Root's.
const OF_ROOT: &str = "/var/lib/scandrill/daemons";
/// An ordinary user's, in his folder of data.
const OF_USER: &str = "scandrill/daemons";
/// Where programs are in it.
const PROGRAMS: [&str; 4] = ["usr/sbin", "usr/bin", "usr/local/sbin", "usr/local/bin"];

/// Where this user's daemons are, whether or not there are any. To be asked outside of a lab: inside, everybody is root.
pub fn folder() -> PathBuf {
    let named = |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(chosen) = named(CHOSEN) {
        return chosen;
    }
    if geteuid().is_root() {
        return PathBuf::from(OF_ROOT);
    }
    let home = || named("HOME").unwrap_or_else(|| PathBuf::from("/nowhere")).join(".local/share");
    named("XDG_DATA_HOME").unwrap_or_else(home).join(OF_USER)
}

/// The executable file `name` of a daemon's package. It can be run inside a lab alone.
pub fn program(name: &str) -> Option<PathBuf> {
    // An absolute path is one of the lab, where the folder lies over the machine's.
    let name = name.strip_prefix('/').map_or_else(|| Path::new(name), Path::new);
    let folder = folder();
    let places = PROGRAMS.iter().map(|place| folder.join(place).join(name));
    places.chain([folder.join(name)]).find(|path| is_executable(path))
}

/// Whether a lab has a file or folder of that absolute path: of the machine's or of a daemon's package.
pub fn has_file(path: &str) -> bool {
    let in_folder = folder().join(path.trim_start_matches('/'));
    Path::new(path).exists() || in_folder.exists()
}

/// Whether `path` is a file that may be executed.
pub(crate) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The packages that were unpacked, with what they depend on, each with its version, in the order of their names; none where there is no folder.
pub fn packages() -> Vec<(String, String)> {
    let list = fs::read_to_string(folder().join("packages")).unwrap_or_default();
    let words =
        |line: &str| line.split_once(' ').map(|(name, version)| (name.to_owned(), version.to_owned()));
    let mut packages: Vec<(String, String)> = list.lines().filter_map(words).collect();
    packages.sort();
    packages
}

/// The package that has a program, where it is one that set-up unpacks.
pub fn package_of(program: &str) -> Option<&'static str> {
    PACKAGES.iter().find(|(_, programs)| programs.contains(&program)).map(|(package, _)| *package)
}

/// The programs that scenarios start, by the packages that set-up unpacks.
pub const PACKAGES: [(&str, &[&str]); 15] = [
    ("crowdsec", &["crowdsec", "cscli"]),
    ("crowdsec-firewall-bouncer", &["crowdsec-firewall-bouncer"]),
    ("curl", &["curl"]),
    ("fail2ban", &["fail2ban-server", "fail2ban-client", "fail2ban-regex"]),
    ("firewalld", &["firewalld", "firewall-cmd", "firewall-offline-cmd"]),
    ("fwknop-client", &["fwknop"]),
    ("fwknop-server", &["fwknopd"]),
    ("haproxy", &["haproxy"]),
    ("knockd", &["knockd", "knock"]),
    ("logrotate", &["logrotate"]),
    ("nginx", &["nginx"]),
    ("portsentry", &["portsentry"]),
    ("psad", &["psad"]),
    ("sshguard", &["sshguard"]),
    ("ufw", &["ufw"]),
];
