//! The event log's writing end, and the trouble that ends a case.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

use scandrill_lab::clock;
use scandrill_model::{Event, What};

/// One JSON object a line, stamped as it is written.
#[derive(Debug)]
pub struct Log {
    file: Mutex<File>,
}

impl Log {
    /// A log into a pipe.
    pub fn new(file: File) -> Self {
        Self { file: Mutex::new(file) }
    }

    /// Records what happened. A runner that no longer reads has given the case up; init then ends this process, so
    /// a failed write needs no answer.
    pub fn emit(&self, what: What) {
        let event = Event { at: clock::now(), what };
        if let (Ok(mut line), Ok(mut file)) = (serde_json::to_vec(&event), self.file.lock()) {
            line.push(b'\n');
            drop(file.write_all(&line));
        }
    }
}

/// Why a case cannot go on: the operation, and what went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What was being done.
    pub operation: String,
    /// What went wrong.
    pub error: String,
}

/// Puts the operation to an error.
pub trait Troubled<T> {
    /// The same result as a case's trouble.
    fn trouble(self, operation: impl Into<String>) -> Result<T, Trouble>;
}

impl<T, E: fmt::Display> Troubled<T> for Result<T, E> {
    fn trouble(self, operation: impl Into<String>) -> Result<T, Trouble> {
        self.map_err(|error| Trouble { operation: operation.into(), error: error.to_string() })
    }
}
