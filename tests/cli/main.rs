//! The command line from outside, one claim a test.
