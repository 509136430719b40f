//! The three columns: what red learnt, what blue holds, what green got.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};
use scandrill_model::{CountedRule, Glimpse, SetFill};

use super::super::view::{Blue, Green, Red, View};
use super::super::words;
use super::theme::{LOUD, QUIET, Theme};

/// A probe or a request that got its answer.
pub const ANSWERED: &str = "●";
/// One that got none.
pub const DROPPED: &str = "×";

/// Attackers.
pub fn red(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let width = usize::from(area.width.saturating_sub(2));
    let each = view.reds.iter().map(|red| attacker(view, red, width, theme));
    let short = view.reds.iter().map(|red| attacker_in_short(red, theme));
    panel(frame, area, " RED attacks ", theme.red(), fitting(area, apart(each), short));
}

/// The defense.
pub fn blue(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let hosts = view.blues.iter().filter(|blue| view.blues.len() == 1 || !blue.installed.is_empty());
    let hosts: Vec<&Blue> = hosts.collect();
    let (width, height) = (area.width.saturating_sub(2), area.height.saturating_sub(2));
    let height = usize::from(height) / hosts.len().max(1);
    let each = hosts.iter().map(|blue| defense(view, blue, (usize::from(width), height), theme));
    let mut lines: Vec<Line<'static>> = each.flatten().collect();
    if hosts.is_empty() {
        lines.push(Line::from(Span::styled("no defense", QUIET)));
    }
    panel(frame, area, " BLUE defends ", theme.blue(), lines);
}

/// Clients.
pub fn green(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let width = usize::from(area.width.saturating_sub(2));
    let each = view.greens.iter().map(|green| client(green, width, theme));
    let short = view.greens.iter().map(|green| client_in_short(green, theme));
    panel(frame, area, " GREEN is served ", theme.green(), fitting(area, apart(each), short));
}

/// All of it where there is room, or several actors in a line each.
fn fitting(
    area: Rect,
    full: Vec<Line<'static>>,
    short: impl ExactSizeIterator<Item = Line<'static>>,
) -> Vec<Line<'static>> {
    let fits = full.len() <= usize::from(area.height.saturating_sub(2));
    if fits || short.len() < 2 { full } else { short.collect() }
}

fn panel(frame: &mut Frame<'_>, area: Rect, title: &'static str, style: Style, lines: Vec<Line<'static>>) {
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(style).title(title);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// Actors with an empty line between them.
fn apart(each: impl Iterator<Item = Vec<Line<'static>>>) -> Vec<Line<'static>> {
    let mut all = Vec::new();
    for lines in each {
        if !all.is_empty() {
            all.push(Line::default());
        }
        all.extend(lines);
    }
    all
}

fn attacker(view: &View, red: &Red, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let probes = red.probes();
    let answered = probes.iter().filter(|probe| probe.answered).count();
    let mut lines = vec![
        two(red.name.clone(), red.scanner.clone(), theme.red()),
        Line::from(red.source.to_string()),
        two(red.technique.to_string(), red.ports.to_string(), Style::new()),
    ];
    if red.began.is_none() {
        lines.push(Line::from(Span::styled("waits", QUIET)));
        return lines;
    }
    lines.push(Line::from(vec![
        Span::raw(format!("{} probes ", probes.len())),
        Span::styled(format!("{ANSWERED}{answered} "), theme.red()),
        Span::styled(format!("{DROPPED}{}", probes.len() - answered), theme.blue()),
    ]));
    lines.extend(strip(probes.iter().map(|probe| probe.answered), width, (theme.red(), theme.blue())));
    for (state, ports) in red.learnt() {
        lines.push(cut(&format!("{state:<9} {ports}"), width));
    }
    lines.extend(ban(view, red, theme));
    lines
}

fn attacker_in_short(red: &Red, theme: Theme) -> Line<'static> {
    let probes = red.probes();
    let answered = probes.iter().filter(|probe| probe.answered).count();
    Line::from(vec![
        Span::styled(format!("{:<10} ", red.name), theme.red()),
        Span::styled(format!("{ANSWERED}{answered} "), theme.red()),
        Span::styled(format!("{DROPPED}{}", probes.len() - answered), theme.blue()),
    ])
}

fn client_in_short(green: &Green, theme: Theme) -> Line<'static> {
    let (served, all) = (green.served(), green.requests.len());
    let style = if served == all { Style::new() } else { theme.warn() };
    let name = Span::styled(format!("{:<10} ", green.name), theme.green());
    Line::from(vec![name, Span::styled(format!("{served} of {all}"), style)])
}

/// What is known of an attacker's ban.
fn ban(view: &View, red: &Red, theme: Theme) -> Vec<Line<'static>> {
    let at =
        |stamp| view.start.map_or(0.0, |start| scandrill_model::Stamp::since(stamp, start).as_secs_f64());
    let is_banned = red.ban.looks.iter().any(|(_, check)| check.is_banned());
    let mut lines = Vec::new();
    if let Some(since) = red.silent_since() {
        let word = if is_banned { "BANNED at" } else { "silent since" };
        lines.push(Line::from(Span::styled(format!("{word} {:.1} s", at(since)), theme.blue().patch(LOUD))));
    }
    if let Some(again) = red.served_again() {
        lines.push(Line::from(Span::styled(format!("let in at {:.1} s", at(again)), theme.warn())));
    }
    lines
}

fn client(green: &Green, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let behind = green.behind.iter().map(|red| format!("behind {red} "));
    let about = behind.collect::<String>() + &green.client;
    let mut lines = vec![two(green.name.clone(), about, theme.green()), Line::from(green.source.to_string())];
    let (served, all) = (green.served(), green.requests.len());
    let style = if served == all { Style::new() } else { theme.warn() };
    lines.push(Line::from(Span::styled(format!("served {served} of {all}"), style)));
    let outcomes = green.requests.iter().map(|request| request.failure.is_none());
    lines.extend(strip(outcomes, width, (theme.green(), theme.warn())).pop());
    lines.extend(pain(green, theme));
    lines
}

/// What the last request came to.
fn pain(green: &Green, theme: Theme) -> Option<Line<'static>> {
    let last = green.requests.last()?;
    Some(match &last.failure {
        Some(why) => Line::from(Span::styled(why.clone(), theme.warn())),
        None => Line::from(Span::styled(format!("in {:.1} ms", last.took.as_secs_f64() * 1e3), QUIET)),
    })
}

/// What was answered and what was not, in order, at most two lines of the latest.
fn strip(
    outcomes: impl Iterator<Item = bool>,
    width: usize,
    (answered, dropped): (Style, Style),
) -> Vec<Line<'static>> {
    let marks: Vec<Span<'static>> = outcomes
        .map(|is| if is { Span::styled(ANSWERED, answered) } else { Span::styled(DROPPED, dropped) })
        .collect();
    let lines: Vec<Line<'static>> =
        marks.chunks(width.max(1)).map(|marks| Line::from(marks.to_vec())).collect();
    lines[lines.len().saturating_sub(2)..].to_vec()
}

/// What stands out, and what explains it.
fn two(first: String, second: String, style: Style) -> Line<'static> {
    Line::from(vec![Span::styled(first, style.patch(LOUD)), Span::raw(" "), Span::styled(second, QUIET)])
}

fn defense(view: &View, blue: &Blue, (width, height): (usize, usize), theme: Theme) -> Vec<Line<'static>> {
    let state = match (blue.read_back, blue.until) {
        (_, Some(_)) => "taken off again",
        (Some(true), None) => "read back: as asked for",
        (Some(false), None) => "read back: NOT as asked for",
        (None, None) if blue.installed.is_empty() => "not in yet",
        (None, None) => "going in",
    };
    let mut lines = vec![two(blue.host.clone(), state.to_owned(), theme.blue())];
    if blue.glimpse == Glimpse::default() {
        lines.extend(blue.installed.iter().map(|step| cut(&format!("  {step}"), width)));
        return lines;
    }
    let room = height.saturating_sub(lines.len());
    lines.extend(held(view, &blue.glimpse, (width, room), theme));
    lines
}

/// Rules, sets and the log's end, in `room` lines: what is empty, and older lines of the log, give way to rules.
fn held(view: &View, glimpse: &Glimpse, (width, room): (usize, usize), theme: Theme) -> Vec<Line<'static>> {
    let Glimpse { rules, sets, log_lines, log } = glimpse;
    let all: usize = sets.iter().map(|set| 1 + set.first.len()).sum();
    let is_tight = rules.len() + all + 3 > room;
    let sets = sets.iter().filter(|set| !is_tight || set.elements > 0);
    let mut below: Vec<Line<'static>> = sets.flat_map(|set| elements(view, set, is_tight, theme)).collect();
    below.push(two("kernel log".to_owned(), format!("{log_lines} lines"), theme.blue()));
    let for_rules = (rules.len() + 1).min(room.saturating_sub(below.len() + 1));
    let for_log = room.saturating_sub(below.len() + for_rules);
    let latest = &log[log.len().saturating_sub(for_log)..];
    below.extend(latest.iter().map(|line| cut(&format!("  {}", words::log_line(line)), width)));
    table(rules, for_rules, width).into_iter().chain(below).collect()
}

/// A set with what is in it; an attacker's address is red. Where there is little room, one element stands for all.
fn elements(view: &View, set: &SetFill, is_tight: bool, theme: Theme) -> Vec<Line<'static>> {
    let is_red = |element: &str| {
        let address = element.split(' ').next().unwrap_or_default();
        view.reds.iter().any(|red| red.source.to_string() == address)
    };
    let heading =
        two(format!("set {}", words::name(&set.name)), format!("{} in it", set.elements), theme.blue());
    let most = if is_tight { 1 } else { set.first.len() };
    let mut told: Vec<&String> = set.first.iter().collect();
    told.sort_by_key(|element| !is_red(element));
    let rows = told.into_iter().take(most).map(|element| {
        let style = if is_red(element) { theme.red() } else { Style::new() };
        Line::from(Span::styled(format!("  {element}"), style))
    });
    [heading].into_iter().chain(rows).collect()
}

/// Rules with their packets; where there is no room for all, those that count most.
fn table(rules: &[CountedRule], room: usize, width: usize) -> Vec<Line<'static>> {
    let mut by_count: Vec<usize> = (0..rules.len()).collect();
    by_count.sort_by_key(|index| std::cmp::Reverse(rules[*index].packets));
    let mut shown: Vec<usize> = by_count.into_iter().take(room.saturating_sub(1)).collect();
    shown.sort_unstable();
    let heading = if shown.len() < rules.len() {
        format!("packets rule ({} of {})", shown.len(), rules.len())
    } else {
        "packets rule".to_owned()
    };
    let row = |index: usize| {
        let CountedRule { rule, packets, .. } = &rules[index];
        let count = packets.map_or_else(|| "-".to_owned(), |packets| packets.to_string());
        let style = if *packets > Some(0) { Style::new() } else { QUIET };
        cut(&format!("{count:>7} {}", words::rule(rule)), width).style(style)
    };
    let heading = Line::from(Span::styled(heading, QUIET));
    [heading].into_iter().chain(shown.into_iter().map(row)).collect()
}

/// A line of at most `width` columns.
fn cut(text: &str, width: usize) -> Line<'static> {
    if text.chars().count() <= width {
        return Line::from(text.to_owned());
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    Line::from(format!("{kept}…"))
}
