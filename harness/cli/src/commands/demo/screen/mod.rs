//! A view drawn: what is safe on top, red, blue and green beside each other, the time line below, the keys at the bottom.
//! It is laid out for 80 columns and 24 lines, and uses what there is beyond.

mod panels;
mod theme;
mod time_line;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};
use scandrill_model::{LAB_V4, LAB_V6, Verdict};

use self::theme::{BAR, KEY, QUIET, Theme};
use super::view::View;

/// Columns and lines in which all of it can be seen.
const ENOUGH: (u16, u16) = (80, 24);

/// How the picture comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A case that runs now.
    Live {
        /// How many other cases the scenario has.
        others: usize,
    },
    /// A recorded one.
    Replay {
        /// How many events it has.
        of: usize,
        /// Times as fast as it happened.
        speed: u32,
        /// Where it ends, if that is before its report.
        cut: Option<String>,
    },
}

/// What is drawn beside the view.
#[derive(Clone, Debug)]
pub struct Status {
    /// How the picture comes about.
    pub mode: Mode,
    /// Whether it stands still.
    pub paused: bool,
    /// Whether colours are wanted.
    pub colour: bool,
}

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, view: &View, status: &Status) {
    let theme = Theme { colour: status.colour };
    let area = frame.area();
    let safety = safety(&status.mode, area.width);
    let heights = [
        Constraint::Length(1),
        Constraint::Length(u16::try_from(safety.len()).unwrap_or(1)),
        Constraint::Min(0),
        Constraint::Length(time_line::height(view)),
        Constraint::Length(spare(area.height)),
        Constraint::Length(1),
        Constraint::Length(1),
    ];
    let [top, safe, middle, time, told, last, keys] = Layout::vertical(heights).areas(area);
    frame.render_widget(title(view, status, top.width), top);
    frame.render_widget(Paragraph::new(safety).style(QUIET), safe);
    let [red, blue, green] = columns(middle);
    panels::red(frame, red, view, theme);
    panels::blue(frame, blue, view, theme);
    panels::green(frame, green, view, theme);
    time_line::draw(frame, time, view, theme);
    frame.render_widget(events(view, told.height), told);
    frame.render_widget(last_line(view, status, theme), last);
    frame.render_widget(key_line(view, status, theme, area), keys);
}

/// The middle has the longest lines: rules.
fn columns(area: Rect) -> [Rect; 3] {
    Layout::horizontal([Constraint::Fill(11), Constraint::Fill(18), Constraint::Fill(11)]).areas(area)
}

/// Lines for the events themselves, where there is more room than is needed.
fn spare(height: u16) -> u16 {
    height.saturating_sub(ENOUGH.1 + 4).min(12)
}

/// The latest events, each with its time.
fn events(view: &View, height: u16) -> Paragraph<'static> {
    let room = usize::from(height.saturating_sub(1));
    let latest = view.told.range(view.told.len().saturating_sub(room)..);
    let lines = latest.map(|(at, text)| {
        let at = at.since(view.start.unwrap_or_default()).as_secs_f64();
        Line::from(vec![Span::styled(format!("{at:>7.2} s  "), QUIET), Span::raw(text.clone())])
    });
    let block = Block::new().borders(Borders::TOP).border_style(QUIET).title(" EVENTS ");
    Paragraph::new(lines.collect::<Vec<_>>()).block(block)
}

/// Why this is safe to look at, in as many lines as it takes.
fn safety(mode: &Mode, width: u16) -> Vec<Line<'static>> {
    let why = format!("namespaces without a route out, addresses of {LAB_V4} and {LAB_V6} only");
    let text = match mode {
        Mode::Live { .. } => format!("Nothing can leave the lab: {why}."),
        Mode::Replay { .. } => {
            format!("A recording, in which nothing is sent. Nothing could leave the lab: {why}.")
        }
    };
    let width = usize::from(width.max(20)).saturating_sub(1);
    textwrap::wrap(&text, width).into_iter().map(|line| Line::from(format!(" {line}"))).collect()
}

fn title(view: &View, status: &Status, width: u16) -> Line<'static> {
    let mode = match &status.mode {
        Mode::Live { others: 0 } => "LIVE".to_owned(),
        Mode::Live { others } => format!("LIVE, first of {} cases", others + 1),
        Mode::Replay { speed, .. } => format!("REPLAY x{speed}"),
    };
    let left = format!(" scandrill demo  {}  {mode}", view.case);
    let paused = if status.paused { "PAUSED  " } else { "" };
    let seconds = format!("  {:>5.1} s ", view.lasted().as_secs_f64());
    // A long name leaves no room for what the case is doing.
    let room = usize::from(width).saturating_sub(left.chars().count() + paused.len() + seconds.len() + 1);
    let phase = if view.phase.len() <= room { view.phase } else { "" };
    let right = format!("{paused}{phase}{seconds}");
    let gap = usize::from(width).saturating_sub(left.chars().count() + right.chars().count());
    Line::from(format!("{left}{}{right}", " ".repeat(gap))).style(BAR)
}

/// What was told last, and in the end what came of it.
fn last_line(view: &View, status: &Status, theme: Theme) -> Line<'static> {
    if let Some(report) = &view.report {
        let style = match report.verdict {
            Verdict::Pass => theme.green(),
            Verdict::Skip => theme.warn(),
            Verdict::Fail | Verdict::Error => theme.red(),
        };
        let verdict = report.verdict.to_string().to_uppercase();
        return Line::from(vec![
            Span::styled(format!(" {verdict} "), style.add_modifier(Modifier::REVERSED | Modifier::BOLD)),
            Span::raw(" judged: q shows the report"),
        ]);
    }
    if let Some(problem) = view.problems.first() {
        return Line::from(Span::styled(format!(" {problem}"), theme.warn()));
    }
    match &status.mode {
        Mode::Replay { of, cut: Some(end), .. } if view.events == *of => {
            let text = format!(" the recording ends here, before its report ({end})");
            Line::from(Span::styled(text, theme.warn()))
        }
        Mode::Replay { of, .. } => Line::from(format!(" event {} of {of}: {}", view.events, view.last)),
        Mode::Live { .. } => Line::from(format!(" event {}: {}", view.events, view.last)),
    }
}

fn key_line(view: &View, status: &Status, theme: Theme, area: Rect) -> Line<'static> {
    if area.width < ENOUGH.0 || area.height < ENOUGH.1 {
        let text = format!(" {}x{} is too small to show all: 80x24 is enough", area.width, area.height);
        return Line::from(Span::styled(text, theme.warn()));
    }
    let keys: &[(&str, &str)] = match &status.mode {
        Mode::Live { .. } if view.report.is_some() => &[("q", "report")],
        Mode::Live { .. } => &[("space", "pause the picture"), ("q", "end the drill")],
        Mode::Replay { .. } => {
            &[("space", "pause"), ("s", "next event"), ("+ -", "speed"), ("1-4", "x1 to x8"), ("q", "report")]
        }
    };
    let words = keys.iter().flat_map(|(key, does)| {
        [Span::styled(format!(" {key} "), KEY), Span::styled(format!("{does}  "), QUIET)]
    });
    Line::from(words.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::style::Color;

    use super::super::fixture;
    use super::*;

    const LIVE: Status = Status { mode: Mode::Live { others: 0 }, paused: false, colour: true };

    /// The view after so many seconds.
    fn view_at(seconds: f64) -> View {
        let mut view = View::new(&fixture::plan());
        let until = fixture::after(seconds);
        fixture::events().iter().filter(|event| event.at <= until).for_each(|event| view.take(event));
        view.pass_to(until);
        view
    }

    fn judged() -> View {
        let mut view = view_at(13.5);
        view.judge(fixture::report());
        view
    }

    fn drawn(view: &View, status: &Status, (width, height): (u16, u16)) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, view, status)).unwrap();
        terminal
    }

    fn text(view: &View, status: &Status, size: (u16, u16)) -> String {
        drawn(view, status, size).backend().to_string()
    }

    #[test]
    fn before_anything_has_happened() {
        insta::assert_snapshot!(text(&View::new(&fixture::plan()), &LIVE, (80, 24)));
    }

    #[test]
    fn in_the_middle_of_a_ban_at_80_columns() {
        insta::assert_snapshot!(text(&view_at(6.5), &LIVE, (80, 24)));
    }

    #[test]
    fn in_the_middle_of_a_ban_at_120_columns() {
        insta::assert_snapshot!(text(&view_at(6.5), &LIVE, (120, 40)));
    }

    #[test]
    fn judged_and_lifted() {
        insta::assert_snapshot!(text(&judged(), &LIVE, (80, 24)));
    }

    #[test]
    fn a_recording_that_stands_still() {
        let mode = Mode::Replay { of: 90, speed: 2, cut: None };
        let status = Status { mode, paused: true, colour: true };
        insta::assert_snapshot!(text(&view_at(3.0), &status, (80, 24)));
    }

    #[test]
    fn a_recording_that_was_cut_off_says_where() {
        let view = view_at(3.0);
        let mode = Mode::Replay { of: view.events, speed: 1, cut: Some("a.jsonl:17".to_owned()) };
        let status = Status { mode, paused: false, colour: true };
        let told = "the recording ends here, before its report (a.jsonl:17)";
        assert!(text(&view, &status, (80, 24)).contains(told));
    }

    #[test]
    fn a_window_that_is_too_small_is_told_and_drawn_all_the_same() {
        for size in [(1, 1), (3, 50), (50, 3), (60, 12), (79, 24), (80, 23)] {
            let text = text(&view_at(6.5), &LIVE, size);
            assert!(size.0 < 60 || text.contains("is too small to show all"), "{text}");
        }
    }

    #[test]
    fn many_clients_have_a_line_each() {
        let mut view = view_at(6.5);
        view.greens.extend(View::new(&fixture::plan()).greens);
        let text = text(&view, &LIVE, (80, 24));
        assert!(text.contains("customer   18 of 18") && text.contains("neighbour  0 of 0"), "{text}");
    }

    #[test]
    fn other_cases_of_a_scenario_are_told() {
        let status = Status { mode: Mode::Live { others: 3 }, ..LIVE };
        assert!(text(&view_at(1.0), &status, (80, 24)).contains("LIVE, first of 4 cases"));
    }

    #[test]
    fn colours_have_a_meaning_and_can_be_left_out() {
        let colours = |colour: bool| {
            let terminal = drawn(&view_at(6.5), &Status { colour, ..LIVE }, (80, 24));
            let cells = terminal.backend().buffer().content().to_vec();
            cells.into_iter().map(|cell| cell.fg).filter(|fg| *fg != Color::Reset).collect::<Vec<_>>()
        };
        assert!([Color::Red, Color::Blue, Color::Green].iter().all(|colour| colours(true).contains(colour)));
        assert_eq!(colours(false), Vec::new());
    }
}
