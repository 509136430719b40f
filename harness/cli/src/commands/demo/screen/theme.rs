//! Colours by meaning; without them, what matters is bold or reversed.

use ratatui::style::{Color, Modifier, Style};

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

    /// What matters less.
    pub fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What matters most in its place.
    pub fn loud(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The first line.
    pub fn bar(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    /// A key to press.
    pub fn key(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn of(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
}
