//! `-j LOG` of iptables and ip6tables as `-j NFLOG`, on a command line and in a file of iptables-restore, and back again
//! where rules are listed. What the tool would refuse, or what is not understood, is left as it is: the tool then says
//! what is wrong with it.

use std::ops::ControlFlow;

use super::options::{FLAGS, LEVELS, LogOptions};

/// As many bytes of a prefix as the LOG target keeps; iptables cuts longer ones without a word.
const PREFIX: usize = 29;

/// The words of a rule that logs, rewritten; `None` where it does not log, or is not understood.
pub(super) fn rewritten(words: &[String]) -> Option<Vec<String>> {
    let jump = words.windows(2).position(|two| is_jump(&two[0]) && two[1] == "LOG")?;
    let (before, after) = (&words[..=jump], &words[jump + 2..]);
    let mut rule = Rule::default();
    let mut kept = rule.keep(before)?;
    let rest = rule.keep(after)?;
    kept.push("NFLOG".to_owned());
    kept.extend(["--nflog-group".to_owned(), rule.options().group().to_string()]);
    kept.extend(rule.prefix.iter().flat_map(|prefix| ["--nflog-prefix".to_owned(), cut(prefix)]));
    kept.extend(rest);
    Some(kept)
}

/// `-j`, or what getopt(3) takes for `--jump`.
fn is_jump(word: &str) -> bool {
    word == "-j" || (word.len() > "--".len() && "--jump".starts_with(word))
}

fn cut(prefix: &str) -> String {
    let whole = prefix.char_indices().map(|(at, letter)| (at + letter.len_utf8(), letter));
    whole.take_while(|(end, _)| *end <= PREFIX).map(|(_, letter)| letter).collect()
}

/// What the options of a LOG target ask for.
#[derive(Default)]
struct Rule {
    prefix: Option<String>,
    level: Option<LogOptions>,
    flags: LogOptions,
}

impl Rule {
    fn options(&self) -> LogOptions {
        let level = self.level.unwrap_or_default().level();
        self.flags.with_level(level).unwrap_or(self.flags)
    }

    /// Takes the options out of `words`; gives the others. `None` when an option is not one that the tool takes.
    fn keep(&mut self, words: &[String]) -> Option<Vec<String>> {
        let mut kept: Vec<String> = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match option(word) {
                ControlFlow::Continue(()) => kept.push(word.clone()),
                // What is inverted is refused, and what could be several options, too.
                ControlFlow::Break(_) if kept.last().is_some_and(|word| word == "!") => return None,
                ControlFlow::Break(None) => return None,
                ControlFlow::Break(Some(Known::Flag(index))) => self.flag(index)?,
                ControlFlow::Break(Some(Known::Value(name, given))) => {
                    let value = given.or_else(|| words.next().map(String::as_str))?;
                    self.value(name, value)?;
                }
            }
        }
        Some(kept)
    }

    fn flag(&mut self, index: usize) -> Option<()> {
        let (flag, ..) = FLAGS[index];
        let twice = self.flags.has(flag);
        self.flags = self.flags.with(flag);
        (!twice).then_some(())
    }

    fn value(&mut self, name: &str, value: &str) -> Option<()> {
        if name == "prefix" {
            let refused = value.is_empty() || value.contains('\n');
            (!refused && self.prefix.replace(value.to_owned()).is_none()).then_some(())
        } else {
            let level = LogOptions::default().with_level(level(value)?)?;
            self.level.replace(level).is_none().then_some(())
        }
    }
}

/// An option of the LOG target.
enum Known<'a> {
    /// Its place in [`FLAGS`].
    Flag(usize),
    /// `prefix` or `level`, and its value where that is in the same word.
    Value(&'static str, Option<&'a str>),
}

/// Which option a word is, abbreviated as getopt_long(3) lets it be; `Continue` for other words.
fn option(word: &str) -> ControlFlow<Option<Known<'_>>> {
    let Some(named) = word.strip_prefix("--log-") else { return ControlFlow::Continue(()) };
    let (name, value) = named.split_once('=').map_or((named, None), |(name, value)| (name, Some(value)));
    let flags = FLAGS.iter().enumerate().filter(|(_, (_, option, _))| option.starts_with(name));
    let flags = flags.filter(|_| value.is_none()).map(|(index, _)| Known::Flag(index));
    let values = ["prefix", "level"].into_iter().filter(|option| option.starts_with(name));
    let mut found = flags.chain(values.map(|option| Known::Value(option, value)));
    ControlFlow::Break(found.next().filter(|_| found.next().is_none()))
}

/// A level by its number or by one of the names that the tool takes, where a level has more than one.
fn level(value: &str) -> Option<u8> {
    let by_name = match value {
        "panic" => "emerg",
        "error" => "err",
        "warning" => "warn",
        // Understood by nft alone.
        "err" | "warn" => return None,
        other => other,
    };
    let named = LEVELS.iter().position(|level| *level == by_name);
    named.and_then(|index| u8::try_from(index).ok()).or_else(|| number(value))
}

fn number(value: &str) -> Option<u8> {
    value.strip_prefix("0x").map_or_else(|| value.parse().ok(), |hex| u8::from_str_radix(hex, 16).ok())
}

/// Whether a command puts a rule in, rather than ask for it or take it off.
pub(super) fn adds(words: &[String]) -> bool {
    let adding = ["-A", "-I", "-R", "--append", "--insert", "--replace"];
    words.iter().any(|word| adding.contains(&word.as_str()))
}

/// Whether a command may list rules. One that does not is not harmed by a translation.
pub(super) fn lists(words: &[String]) -> bool {
    words.iter().any(|word| word.starts_with("--list") || letters(word).contains(['L', 'S']))
}

/// Whether it lists them with numbers in the place of names.
pub(super) fn is_numeric(words: &[String]) -> bool {
    words.iter().any(|word| word == "--numeric" || letters(word).contains('n'))
}

/// The letters of a word of short options, such as `-vnL`.
fn letters(word: &str) -> &str {
    let letters = word.strip_prefix('-').unwrap_or_default();
    if letters.chars().all(|letter| letter.is_ascii_alphabetic()) { letters } else { "" }
}

/// The place of the file that iptables-restore reads; `None` for its standard input.
pub(super) fn restored_file(words: &[String]) -> Option<usize> {
    let mut before = "";
    words.iter().position(|word| {
        let is_value = match before {
            "-T" | "--table" | "-M" | "--modprobe" => true,
            "-w" | "--wait" | "-W" | "--wait-interval" => word.parse::<u32>().is_ok(),
            _ => false,
        };
        before = word;
        !is_value && !word.starts_with('-')
    })
}

/// A text of iptables-restore, rewritten line by line, with the numbers and the texts of lines that log; `None` when no
/// line does.
pub(super) fn rewritten_text(text: &str) -> Option<super::Rewritten> {
    let mut lines = Vec::new();
    let (mut logging, mut rewrote) = (Vec::new(), false);
    for (number, line) in (1..).zip(text.split('\n')) {
        let may_log = line.contains("LOG") && !line.starts_with('#');
        let rewritten = if may_log { rewritten(&words(line)) } else { None };
        match rewritten {
            Some(words) => {
                if adds(&words) {
                    logging.push((number, line.trim().to_owned()));
                }
                rewrote = true;
                lines.push(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
            }
            None => lines.push(line.to_owned()),
        }
    }
    rewrote.then(|| super::Rewritten { text: lines.join("\n"), logging })
}

/// The words of a line of iptables-restore: split at blanks, but for those between double quotes; a backslash takes the
/// next letter as it is.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut within) = (Vec::new(), None::<String>, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                within = !within;
                word.get_or_insert_default();
            }
            '\\' if within => word.get_or_insert_default().extend(letters.next()),
            ' ' | '\t' | '\r' if !within => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// A word as iptables-restore takes it for just that.
fn quoted(word: &str) -> String {
    let plain = |letter: char| !letter.is_whitespace() && letter != '"' && letter != '\\';
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A line of `iptables -S` or iptables-save with its LOG as it was typed.
pub(crate) fn saved_line(line: &str) -> Option<String> {
    let (rule, target) = line.split_once(" -j NFLOG ")?;
    let (prefix, group) = target.rsplit_once("--nflog-group ")?;
    let options = LogOptions::of_group(group.trim_end().parse().ok()?)?;
    let mut told = format!("{rule} -j LOG");
    if let Some(prefix) = prefix.strip_prefix("--nflog-prefix ") {
        told.extend([" --log-prefix ", prefix.trim_end()]);
    }
    if options.named_level().is_some() {
        told.extend([" --log-level ".to_owned(), options.level().to_string()]);
    }
    let flags = FLAGS.iter().filter(|(flag, ..)| options.has(*flag));
    told.extend(flags.map(|(_, name, _)| format!(" --log-{name}")));
    Some(told)
}

/// A line of `iptables -L` likewise; `numeric` with `-n`.
pub(super) fn listed_line(line: &str, numeric: bool) -> Option<String> {
    let (rule, group) = line.rsplit_once("nflog-group ")?;
    let options = LogOptions::of_group(group.trim_end().parse().ok()?)?;
    let (rule, prefix) = match rule.split_once("nflog-prefix ") {
        Some((rule, prefix)) => (rule, words(prefix).into_iter().next()),
        None => (rule, None),
    };
    let (level, flags) = (options.level(), FLAGS.iter().filter(|(flag, ..)| options.has(*flag)));
    let told = if numeric {
        format!("flags {} level {level}", kernel_flags(options))
    } else {
        let named = [LEVELS[usize::from(level)]].into_iter().chain(flags.map(|(_, name, _)| *name));
        format!("level {}", named.collect::<Vec<_>>().join(" "))
    };
    let prefix = prefix.map_or_else(String::new, |prefix| format!(" prefix \"{prefix}\""));
    Some(format!("{}LOG {told}{prefix}", rule.replacen("NFLOG  ", "LOG    ", 1)))
}

/// The flags as the LOG target numbers them (`XT_LOG_*` in linux/netfilter/xt_LOG.h): 16 was once NFLOG's.
fn kernel_flags(options: LogOptions) -> u8 {
    let number = |flag| if flag == super::options::Flag::MacDecode { 32 } else { flag as u8 };
    FLAGS.iter().filter(|(flag, ..)| options.has(*flag)).map(|(flag, ..)| number(*flag)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(line: &str) -> Option<String> {
        rewritten_text(line).map(|rewritten| rewritten.text)
    }

    #[test]
    fn a_rule_that_logs_keeps_all_that_it_says() {
        for (rule, expected) in [
            ("-A INPUT -j LOG", "-A INPUT -j NFLOG --nflog-group 65284"),
            (
                "-A INPUT -p tcp -j LOG --log-prefix \"a \\\" b: \" --log-level debug --log-uid -m limit",
                "-A INPUT -p tcp -j NFLOG --nflog-group 65351 --nflog-prefix \"a \\\" b: \" -m limit",
            ),
            (
                "-I INPUT --log-tcp-s --jum LOG --log-pre=x",
                "-I INPUT --jum NFLOG --nflog-group 65292 --nflog-prefix x",
            ),
            (
                "[1:2] -A X -j LOG --log-prefix 123456789012345678901234567890",
                "[1:2] -A X -j NFLOG --nflog-group 65284 --nflog-prefix 12345678901234567890123456789",
            ),
        ] {
            assert_eq!(rewrite(rule).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_the_tool_refuses_is_left_for_it_to_refuse() {
        for refused in [
            "-A INPUT -j LOG --log-level 8",
            "-A INPUT -j LOG --log-level warn",
            "-A INPUT -j LOG --log-level",
            "-A INPUT -j LOG --log-prefix \"\"",
            "-A INPUT -j LOG --log-prefix a --log-prefix b",
            "-A INPUT -j LOG --log-uid --log-uid",
            "-A INPUT -j LOG ! --log-uid",
            "-A INPUT -j LOG --log-uid=1",
            "-A INPUT -j LOG --log-tcp- x",
            "-A INPUT -j LOG --log-nothing",
            "-A INPUT -j LOGDROP",
            "-A LOG -j DROP",
            ":LOG - [0:0]",
        ] {
            assert_eq!(rewrite(refused), None, "{refused}");
        }
    }

    #[test]
    fn the_command_line_is_read_as_the_tool_reads_it() {
        let split = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let listing = ["-L", "-t nat -vnL INPUT", "-S INPUT", "--list-rules", "-nL"];
        assert!(listing.iter().all(|line| lists(&split(line))));
        assert!(!lists(&split("-A INPUT -s 198.18.0.1 -j DROP")));
        assert!(is_numeric(&split("-vnL")) && !is_numeric(&split("-L INPUT")));
        assert!(adds(&split("-t raw -I X -j LOG")) && !adds(&split("-C INPUT -j LOG")));
        let files = [("-n", None), ("-w 5 -T nat", None), ("-c -w rules", Some(2)), ("rules", Some(0))];
        for (line, place) in files {
            assert_eq!(restored_file(&split(line)), place, "{line}");
        }
    }

    #[test]
    fn lines_keep_their_places() {
        let rewritten = rewritten_text("*filter\n\n-A INPUT -j LOG\n# -j LOG\nCOMMIT\n").unwrap();
        assert_eq!(rewritten.logging, [(3, "-A INPUT -j LOG".to_owned())]);
        let expected = "*filter\n\n-A INPUT -j NFLOG --nflog-group 65284\n# -j LOG\nCOMMIT\n";
        assert_eq!(rewritten.text, expected);
    }

    #[test]
    fn listed_rules_read_as_they_were_typed() {
        for typed in [
            "-A INPUT -j LOG",
            "-A INPUT -p tcp -j LOG --log-prefix \"a \\\" b: \" --log-level 7 --log-tcp-sequence --log-macdecode",
        ] {
            let mut saved = words(&rewrite(typed).unwrap());
            // iptables prints the group last.
            let at = saved.iter().position(|word| word == "--nflog-group").unwrap();
            let group: Vec<String> = saved.drain(at..at + 2).collect();
            saved.extend(group);
            let saved: Vec<String> = saved.iter().map(|word| quoted(word)).collect();
            assert_eq!(saved_line(&saved.join(" ")).as_deref(), Some(typed));
        }
        assert_eq!(saved_line("-A INPUT -j NFLOG --nflog-prefix x --nflog-group 5"), None);
        let listed = "    0     0 NFLOG      tcp  --  any    any     anywhere             anywhere             \
                      tcp dpt:ssh nflog-prefix \"q \\\" x\" nflog-group 65423";
        let told = "    0     0 LOG        tcp  --  any    any     anywhere             anywhere             tcp dpt:ssh LOG ";
        let named = format!("{told}level debug tcp-sequence macdecode prefix \"q \" x\"");
        assert_eq!(listed_line(listed, false), Some(named));
        let numbers = format!("{told}flags 33 level 7 prefix \"q \" x\"");
        assert_eq!(listed_line(listed, true), Some(numbers));
    }
}
