//! The command line from outside, as people use it: one claim a test, readable as a manual.
#![cfg(test)]

mod binary;
mod busy;
mod check;
mod demo;
mod explain;
mod files;
mod help;
mod interrupt;
mod lint;
mod machine;
mod output;
mod processes;
mod report;
mod run;
mod shell;
mod why;
mod workbench;
