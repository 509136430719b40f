//! Colours by meaning; without them, what matters is bold or reversed.

use ratatui::style::{Color, Modifier, Style};

/// What matters less.
pub const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
/// What matters most in its place.
pub const LOUD: Style = Style::new().add_modifier(Modifier::BOLD);
/// The first line.
pub const BAR: Style = Style::new().add_modifier(Modifier::REVERSED.union(Modifier::BOLD));
/// A key to press.
pub const KEY: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Whether there are colours.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Whether they are wanted.
    pub colour: bool,
}

impl Theme {
    /// Attackers, and what they do.
    pub fn red(self) -> Style {
        self.of(Color::Red)
    }

    /// The defense.
    pub fn blue(self) -> Style {
        self.of(Color::Blue)
    }

    /// Clients that are served.
    pub fn green(self) -> Style {
        self.of(Color::Green)
    }

    /// What hurts, or is not as it should be.
    pub fn warn(self) -> Style {
        self.of(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    fn of(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
}
