//! The lines in which daemons say whom they ban, read as they are written to the files of the lab's /var/log. The kernel's own
//! files are not among them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// Where daemons log.
const FOLDER: &str = "/var/log";
/// What rules log is no decision.
const KERNELS: [&str; 2] = ["kern.log", "syslog"];
/// The words by which daemons say it: fail2ban, CrowdSec; portsentry, psad, sshguard. What ends a ban says it otherwise.
const BANS: [&str; 5] = ["ban", "banned", "block", "blocked", "blocking"];
/// No daemon says as much at once.
const MOST: u64 = 1 << 20;
/// Of a line, as many letters are kept.
const LINE: usize = 240;

/// Watches the folder and those in it.
#[derive(Debug)]
pub(super) struct DaemonLogs {
    inotify: Inotify,
    folders: BTreeMap<WatchDescriptor, PathBuf>,
    /// How far each file has been read.
    read: BTreeMap<PathBuf, u64>,
}

impl DaemonLogs {
    /// Watches from now on; what is there already is not read.
    pub(super) fn open() -> Result<Self, Errno> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let mut logs = Self { inotify, folders: BTreeMap::new(), read: BTreeMap::new() };
        let inside = entries(Path::new(FOLDER)).into_iter().filter(|path| path.is_dir());
        for folder in std::iter::once(PathBuf::from(FOLDER)).chain(inside) {
            let files = entries(&folder).into_iter().filter(|path| path.is_file());
            logs.read
                .extend(files.map(|file| (file.clone(), fs::metadata(&file).map_or(0, |file| file.len()))));
            let watched = logs.inotify.add_watch(&folder, AddWatchFlags::IN_MODIFY)?;
            logs.folders.insert(watched, folder);
        }
        Ok(logs)
    }

    /// What can be waited for.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Reads what was written, without waiting; tells `hear` the lines that ban one of `addresses`.
    pub(super) fn receive(
        &mut self,
        addresses: &BTreeSet<IpAddr>,
        hear: &mut dyn FnMut(IpAddr, String, String),
    ) -> Result<(), Errno> {
        let events = match self.inotify.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            Err(error) => return Err(error),
        };
        let changed = events.into_iter().filter_map(|event| {
            let folder = self.folders.get(&event.wd)?;
            event
                .name
                .filter(|name| KERNELS.iter().all(|kernel| name != kernel))
                .map(|name| folder.join(name))
        });
        for file in changed.collect::<BTreeSet<_>>() {
            for line in self.news(&file).lines() {
                let about = addresses.iter().filter(|address| bans(line, **address));
                about.for_each(|address| {
                    hear(*address, file.display().to_string(), line.chars().take(LINE).collect());
                });
            }
        }
        Ok(())
    }

    /// What a file has more than before; one that was emptied or replaced is read anew.
    fn news(&mut self, path: &Path) -> String {
        let mut text = Vec::new();
        let read = self.read.entry(path.to_owned()).or_default();
        let Ok(mut file) = File::open(path) else { return String::new() };
        if file.metadata().is_ok_and(|file| file.len() < *read) {
            *read = 0;
        }
        let sought = file.seek(SeekFrom::Start(*read));
        if sought.and_then(|_| file.take(MOST).read_to_end(&mut text)).is_err() {
            return String::new();
        }
        // A line that is still being written is read when it is whole.
        text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        *read += text.len() as u64;
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Whether a line says that `address` is banned.
fn bans(line: &str, address: IpAddr) -> bool {
    let mut words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.any(|word| BANS.iter().any(|ban| word.eq_ignore_ascii_case(ban))) && names(line, address)
}

/// Whether a text has `address` among its words.
pub(crate) fn names(text: &str, address: IpAddr) -> bool {
    let part_of_one = |letter: char| letter.is_ascii_hexdigit() || letter == ':' || letter == '.';
    let words = text.split(|letter| !part_of_one(letter)).map(|word| word.trim_end_matches(['.', ':']));
    words.filter_map(|word| word.parse::<IpAddr>().ok()).any(|named| named == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_is_a_line_that_says_so_of_the_whole_address() {
        let red: IpAddr = "198.18.0.2".parse().unwrap();
        for line in [
            "2026-01-02 03:04:05,678 fail2ban.actions [7]: NOTICE  [portscan] Ban 198.18.0.2",
            "level=info msg=\"(target/crowdsec) crowdsecurity/scan by ip 198.18.0.2 : 14400s ban on Ip 198.18.0.2\"",
            "attackalert: Host 198.18.0.2 has been blocked via wrappers with string: \"ALL: 198.18.0.2\"",
        ] {
            assert!(bans(line, red), "{line}");
        }
        for line in [
            "2026-01-02 03:04:05,678 fail2ban.actions [7]: NOTICE  [portscan] Unban 198.18.0.2",
            "2026-01-02 03:04:05,678 fail2ban.filter [7]: INFO    [portscan] Found 198.18.0.2",
            "2026-01-02 03:04:05,678 fail2ban.actions [7]: NOTICE  [portscan] Ban 198.18.0.21",
            "level=info msg=\"Ip 198.18.0.2 performed 'crowdsecurity/scan' (16 events over 2.1ms)\"",
        ] {
            assert!(!bans(line, red), "{line}");
        }
        let red: IpAddr = "fd00:198:18::2".parse().unwrap();
        assert!(bans("Ban fd00:198:18:0::2", red));
        // CrowdSec writes them in full.
        assert!(bans("14400s ban on Ip fd00:0198:0018:0000:0000:0000:0000:0002", red));
    }
}
