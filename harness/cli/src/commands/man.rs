//! `scandrill man`: the manual page, one page with every subcommand in it.

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::CommandLine;
use crate::console::Console;
use crate::failure::Failure;

/// Prints the page.
pub fn run(console: Console) -> Result<u8, Failure> {
    let mut command = CommandLine::command();
    command.build();
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
        section(one, &mut page)?;
    }
    console.out(&String::from_utf8_lossy(&page))?;
    Ok(0)
}

/// A subcommand's part of the page.
fn section(command: &Command, page: &mut Vec<u8>) -> Result<(), Failure> {
    let name = command.get_name().to_uppercase();
    page.extend(format!(".SH \"SCANDRILL {name}\"\n").bytes());
    let man = Man::new(command.clone());
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    Ok(())
}
