//! A terminal of a test's own: a private tmux server, keys sent to it, and what stands on its screen.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Failed;
use scandrill_lab::wait;
use tempfile::TempDir;

/// Longer than any screen is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// What stands before a command that can be typed.
const PROMPT: &str = "prompt>";

/// Columns and lines.
pub type Size = (u16, u16);

/// A window with a shell in it.
pub struct Window {
    /// With the server's socket, and whatever the test puts there.
    folder: TempDir,
}

impl Window {
    /// Opens one, with a shell in an empty folder.
    pub fn open((width, height): Size) -> Result<Self, Failed> {
        let window = Self { folder: tempfile::Builder::new().prefix("scandrill-demo-").tempdir()? };
        std::fs::create_dir(window.path().join("tmp"))?;
        let (width, height) = (width.to_string(), height.to_string());
        let shell = format!("cd {} && TMPDIR=$PWD/tmp PS1='{PROMPT} ' exec sh", window.path().display());
        window.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &width, "-y", &height, &shell])?;
        window.until("a prompt", |screen| screen.contains(PROMPT))?;
        Ok(window)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Types a line. Its exit code is told when it has ended, as `exit code: 0`.
    pub fn run(&self, line: &str) -> Result<(), Failed> {
        let mut line = line.to_owned();
        // Written like this, it is on the screen once it is known, and not when it is typed.
        write!(line, "; echo \"exit\" code: $?").map_err(|error| error.to_string())?;
        self.tmux(&["send-keys", "-l", &line])?;
        self.key("Enter")
    }

    /// Presses a key, by tmux's name of it.
    pub fn key(&self, key: &str) -> Result<(), Failed> {
        self.tmux(&["send-keys", key]).map(drop)
    }

    /// What stands on the screen.
    pub fn screen(&self) -> Result<String, Failed> {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The same with what colours it.
    pub fn coloured(&self) -> Result<String, Failed> {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// The number of the shell.
    pub fn shell(&self) -> Result<u32, Failed> {
        Ok(self.tmux(&["display-message", "-p", "#{pane_pid}"])?.trim().parse()?)
    }

    /// Waits until the screen is as `is_so` says; gives it.
    pub fn until(&self, waited_for: &str, is_so: impl Fn(&str) -> bool) -> Result<String, Failed> {
        let mut last = String::new();
        let seen = wait::until_blocking(waited_for, PATIENCE, || {
            last = self.screen().unwrap_or_default();
            Ok(is_so(&last).then(|| last.clone()))
        });
        seen.map_err(|error| format!("{error}; the screen:\n{last}").into())
    }

    #[expect(clippy::disallowed_methods, reason = "a terminal is opened from outside, as a person does")]
    fn tmux(&self, args: &[&str]) -> Result<String, Failed> {
        let socket = self.path().join("socket");
        let ran = Command::new("tmux").arg("-u").arg("-S").arg(socket).args(args).output()?;
        if !ran.status.success() {
            return Err(format!("tmux {args:?}: {}", String::from_utf8_lossy(&ran.stderr)).into());
        }
        Ok(String::from_utf8(ran.stdout)?)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        drop(self.tmux(&["kill-server"]));
    }
}
