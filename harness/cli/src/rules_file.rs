//! A user's rules files: read from a path or from standard input, and told apart by their format.

use std::io::Read as _;

use scandrill_defenses::DefenseError;
use scandrill_defenses::rules::{self, Format};
use scandrill_engine::{BadFile, SourceFile};

use crate::failure::Failure;

/// Reads a file; `-` is standard input.
pub fn read(path: &str) -> Result<SourceFile, Failure> {
    let cannot =
        |error: std::io::Error| Failure::Usage { message: format!("reading {path}: {error}"), help: None };
    if path != "-" {
        return Ok(SourceFile::new(path, std::fs::read_to_string(path).map_err(cannot)?));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(cannot)?;
    Ok(SourceFile::new("standard input", text))
}

/// What a file is written in.
pub fn format_of(file: &SourceFile) -> Result<Format, Failure> {
    let bad = |error: DefenseError| BadFile {
        file: file.clone(),
        span: 0..0,
        message: error.to_string(),
        help: Some("iptables-save format, an nft file or a shell script is understood".to_owned()),
    };
    Ok(rules::detect(&file.name, &file.text).map_err(bad)?)
}
