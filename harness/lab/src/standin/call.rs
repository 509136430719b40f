//! One call of a tool: what it was called, with what, and what becomes of that.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::called;
use super::input::{Inputs, is_stdin};
use super::{LoggingRule, REAL, SCRIPT_LINE, TOOLS, hidden, iptables, nft, note};

/// Where nft looks for included files beside the folders that it is told.
const NFT_FOLDER: &str = "/etc";
/// How deep files may include each other, as deep as nft itself goes.
const MOST_INCLUDES: usize = 16;

/// A call.
pub(super) struct Call {
    /// The real program.
    real: PathBuf,
    /// What it was called.
    arg0: OsString,
    args: Vec<OsString>,
}

/// What a line of a listing is shown as, where that is not as it is.
type Translate<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Call {
    /// The call for which this process was started; `None` in an ordinary process. Which program it stands for is told
    /// by the mount that it was started from.
    pub(super) fn of_this_process() -> Option<Self> {
        let place = fs::read_link("/proc/self/exe").ok()?;
        let tool = place.file_name().filter(|name| TOOLS.iter().any(|tool| *name == *tool))?;
        let real = Path::new(REAL).join(tool);
        if place == real || !real.exists() {
            return None;
        }
        let mut args = env::args_os();
        Some(Self { real, arg0: args.next().unwrap_or_default(), args: args.collect() })
    }

    /// What it was called, without its folder.
    pub(super) fn name(&self) -> String {
        let name = Path::new(&self.arg0).file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Does what was asked for; gives an exit code where the real tool did not take this process's place.
    pub(super) fn run(&self) -> io::Result<i32> {
        called::record(&self.name(), &self.args);
        // What is no text holds no rule that could be rewritten.
        let Some(words) = self.args.iter().map(|arg| arg.to_str().map(str::to_owned)).collect() else {
            return self.become_real(&self.args, Inputs::default());
        };
        self.run_words(words)
    }

    fn run_words(&self, mut words: Vec<String>) -> io::Result<i32> {
        let mut name = self.name();
        let mut skipped = 0;
        if name.starts_with("xtables-") && !words.is_empty() {
            // `xtables-nft-multi iptables-restore ...`
            (name, skipped) = (words[0].clone(), 1);
        }
        let is_of = |action: &str| name.ends_with(action) && name.contains("tables");
        if name == "nft" {
            self.nft(words)
        } else if !name.starts_with("iptables") && !name.starts_with("ip6tables") {
            self.become_real(&words, Inputs::default())
        } else if is_of("-restore") {
            self.restore(words, skipped)
        } else if is_of("-save") {
            self.listing(&words, &iptables::saved_line)
        } else {
            let command = words.split_off(skipped);
            self.iptables(words, command)
        }
    }

    fn iptables(&self, mut words: Vec<String>, command: Vec<String>) -> io::Result<i32> {
        if let Some(rewritten) = iptables::rewritten(&command) {
            if iptables::adds(&command) {
                note(std::iter::once(called(format!("{} {}", self.name(), command.join(" ")))));
            }
            words.extend(rewritten);
            return self.become_real(&words, Inputs::default());
        }
        let (lists, numeric) = (iptables::lists(&command), iptables::is_numeric(&command));
        words.extend(command);
        if !lists {
            return self.become_real(&words, Inputs::default());
        }
        let translate =
            move |line: &str| iptables::saved_line(line).or_else(|| iptables::listed_line(line, numeric));
        self.listing(&words, &translate)
    }

    fn restore(&self, mut words: Vec<String>, skipped: usize) -> io::Result<i32> {
        let file = iptables::restored_file(&words[skipped..]).map(|index| index + skipped);
        let source = file.map_or("-", |index| &words[index]);
        let mut inputs = Inputs::default();
        let looked = inputs.replace(source, iptables::rewritten_text)?;
        note_lines(source, &looked.logging);
        if let Some(index) = file {
            words[index] = looked.name;
        }
        self.become_real(&words, inputs)
    }

    fn nft(&self, mut words: Vec<String>) -> io::Result<i32> {
        let options = nft::Options::of(&words);
        if options.interactive {
            return self.become_real(&words, Inputs::default());
        }
        let mut inputs = Inputs::default();
        for (index, before, file) in &options.files {
            let name = include(&mut inputs, file, &options.folders, MOST_INCLUDES)?;
            words[*index] = format!("{before}{name}");
        }
        let command = words.split_off(options.command).join(" ");
        if command.is_empty() {
            return self.become_real(&words, inputs);
        }
        let lists = command.trim_start().starts_with("list");
        let rewritten = nft::rewritten(&command);
        if rewritten.is_some() {
            note(std::iter::once(called(format!("nft {command}"))));
        }
        words.push(rewritten.map_or(command, |rewritten| rewritten.text));
        if !lists {
            return self.become_real(&words, inputs);
        }
        let as_it_is = |_: &str| None;
        self.listing(&words, if options.json { &as_it_is } else { &nft::listed_line })
    }

    /// Runs the real tool and translates what it lists.
    fn listing(&self, words: &[String], translate: Translate<'_>) -> io::Result<i32> {
        let done = self.command(words).stdin(Stdio::inherit()).stderr(Stdio::inherit()).output()?;
        let listed = match String::from_utf8(done.stdout) {
            Ok(text) => hidden::without(&text)
                .split_inclusive('\n')
                .map(|line| match (translate(line.trim_end_matches('\n')), line.ends_with('\n')) {
                    (Some(told), true) => told + "\n",
                    (Some(told), false) => told,
                    (None, _) => line.to_owned(),
                })
                .collect::<String>()
                .into_bytes(),
            Err(other) => other.into_bytes(),
        };
        // Who reads no longer, as `head` does, has read enough.
        drop(io::stdout().write_all(&listed));
        Ok(done.status.code().unwrap_or_else(|| 128 + done.status.signal().unwrap_or(0)))
    }

    /// Runs the real tool in this process; what comes back is why it cannot be run.
    fn become_real<A: AsRef<OsStr>>(&self, args: &[A], mut inputs: Inputs) -> io::Result<i32> {
        let mut command = self.command(args);
        if let Some(stdin) = inputs.stdin.take() {
            command.stdin(stdin);
        }
        Err(command.exec())
    }

    #[expect(clippy::disallowed_methods, reason = "the lab is where processes are started")]
    fn command<A: AsRef<OsStr>>(&self, args: &[A]) -> Command {
        let mut command = Command::new(&self.real);
        command.arg0(&self.arg0).args(args);
        command
    }
}

/// Replaces a file of nft's and those that it includes; gives its name.
fn include(inputs: &mut Inputs, file: &str, folders: &[String], depth: usize) -> io::Result<String> {
    let looked = inputs.replace(file, nft::rewritten)?;
    note_lines(file, &looked.logging);
    for pattern in looked.text.iter().flat_map(|text| nft::includes(text)).take_while(|_| depth > 0) {
        for included in found(pattern, folders) {
            include(inputs, &included, folders, depth - 1)?;
        }
    }
    Ok(looked.name)
}

/// The files that a pattern of an `include` means: as it is, or below the first folder that has some.
fn found(pattern: &str, folders: &[String]) -> Vec<String> {
    let matching = |pattern: &str| -> Vec<String> {
        let paths = glob::glob(pattern).into_iter().flatten().flatten();
        paths.filter_map(|path| path.to_str().map(str::to_owned)).collect()
    };
    if pattern.starts_with(['/', '.']) {
        return matching(pattern);
    }
    let folders = folders.iter().map(String::as_str).chain([NFT_FOLDER]);
    folders
        .map(|folder| matching(&format!("{folder}/{pattern}")))
        .find(|files| !files.is_empty())
        .unwrap_or_default()
}

/// A rule on a command line.
fn called(rule: String) -> LoggingRule {
    LoggingRule { file: None, line: script_line(), rule }
}

/// The line of the script that called the tool, where one did.
fn script_line() -> Option<usize> {
    env::var(SCRIPT_LINE).ok()?.parse().ok()
}

/// Notes rules in a text. What a script feeds to a tool has lines that nobody knows: its own line is named.
fn note_lines(source: &str, logging: &[(usize, String)]) {
    let file = (!is_stdin(source)).then(|| source.to_owned());
    let of_script = if file.is_none() { script_line() } else { None };
    let rules = logging.iter().map(|(line, rule)| (of_script.unwrap_or(*line), rule.clone()));
    note(rules.map(|(line, rule)| LoggingRule { file: file.clone(), line: Some(line), rule }));
}
