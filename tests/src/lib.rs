//! Holds the test targets of the house together; there is nothing to call here.
#![forbid(unsafe_code)]
