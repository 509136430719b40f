//! The terminal while it is drawn on: given back as it was however the drawing ends, be it by a panic or a signal.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};
use ratatui::crossterm::style::force_color_output;

use super::screen::{Status, draw};
use super::view::View;
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt;

/// What somebody asks for by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Stand still, or go on.
    Pause,
    /// The next event.
    Step,
    /// Play faster.
    Faster,
    /// Play slower.
    Slower,
    /// Play at the speed of that number, from 1.
    Speed(usize),
    /// Leave.
    Quit,
}

/// A terminal that is drawn on.
#[must_use = "the terminal is given back when it is dropped"]
pub struct Screen(DefaultTerminal);

/// Whether the terminal is not as it was.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Refuses where nobody could look.
///
/// # Errors
/// Standard input or output is no terminal, or one that cannot be drawn on.
pub fn check(instead: &str) -> Result<(), Failure> {
    let refuse =
        |what: &str| Err(Failure::usage(format!("a demo is drawn on a terminal, and {what}"), instead));
    match () {
        () if !io::stdout().is_terminal() => refuse("standard output is none"),
        () if !io::stdin().is_terminal() => refuse("standard input is none"),
        () if std::env::var_os("TERM").is_none_or(|term| term == "dumb") => {
            refuse("the variable TERM names none that can be drawn on")
        }
        () => Ok(()),
    }
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It cannot be drawn on.
    pub fn take(console: Console) -> Result<Self, Failure> {
        interrupt::first(give_back);
        force_color_output(console.colored_out());
        TAKEN.store(true, Ordering::SeqCst);
        ratatui::try_init().map(Self).map_err(|error| {
            give_back();
            unable("taking the terminal", &error)
        })
    }

    /// Draws the picture.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, view: &View, status: &Status) -> Result<(), Failure> {
        let drawn = self.0.draw(|frame| draw(frame, view, status));
        drawn.map(drop).map_err(|error| unable("drawing", &error))
    }

    /// The next key, if one comes within `patience`.
    ///
    /// # Errors
    /// The terminal is gone.
    #[expect(clippy::unused_self, reason = "keys are read of a terminal that has been taken")]
    pub fn key(&self, patience: Duration) -> Result<Option<Key>, Failure> {
        let lost = |error: io::Error| unable("reading a key", &error);
        if !poll(patience).map_err(lost)? {
            return Ok(None);
        }
        Ok(match read().map_err(lost)? {
            Event::Key(key) if key.kind != KeyEventKind::Release => meaning(key),
            // A window that has another size is drawn anew in any case.
            Event::Key(_)
            | Event::Resize(..)
            | Event::FocusGained
            | Event::FocusLost
            | Event::Mouse(_)
            | Event::Paste(_) => None,
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Makes the terminal what it was, once.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        ratatui::restore();
    }
}

fn unable(what: &str, error: &io::Error) -> Failure {
    Failure::Unable { message: format!("{what}: {error}"), help: None }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most keys of a keyboard mean nothing here")]
fn meaning(key: KeyEvent) -> Option<Key> {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Key::Quit),
        KeyCode::Char(' ') => Some(Key::Pause),
        KeyCode::Char('s') | KeyCode::Right => Some(Key::Step),
        KeyCode::Char('+' | '=') => Some(Key::Faster),
        KeyCode::Char('-') => Some(Key::Slower),
        KeyCode::Char(digit @ '1'..='4') => digit.to_digit(10).map(|digit| Key::Speed(digit as usize)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_last_line_says() {
        let plain = |code| meaning(KeyEvent::new(code, KeyModifiers::NONE));
        let expected = [
            (KeyCode::Char(' '), Key::Pause),
            (KeyCode::Char('s'), Key::Step),
            (KeyCode::Right, Key::Step),
            (KeyCode::Char('+'), Key::Faster),
            (KeyCode::Char('-'), Key::Slower),
            (KeyCode::Char('3'), Key::Speed(3)),
            (KeyCode::Char('q'), Key::Quit),
            (KeyCode::Esc, Key::Quit),
        ];
        for (code, key) in expected {
            assert_eq!(plain(code), Some(key));
        }
        assert_eq!(plain(KeyCode::Char('c')), None);
        assert_eq!(meaning(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Some(Key::Quit));
    }
}
