//! What a defender installs, as data: layers and stacks with their parameters, a user's own rule files, and the
//! mapping of a user's names and addresses onto a lab's. The very texts that get installed are in `rules/`.
//!
//! Architecture invariant: nothing here does I/O, reads a clock or knows a scanner. A layer says what it needs
//! and which steps install it; the lab executes them and takes them off again.
#![forbid(unsafe_code)]

mod error;
mod layer;
mod layers;
pub mod lint;
pub mod mapping;
mod needs;
mod render;
pub mod rules;
mod settings;
mod stack;

pub use error::DefenseError;
pub use layer::{Kind, Layer, Parameter, Preset};
pub use layers::{is_of_the_machine, layers};
pub use needs::needs;
pub use settings::{Services, Settings, Value};
pub use stack::{LayerSpec, Site, Stack, stack};
