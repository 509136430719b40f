//! Temporary.
use crate::{batch::Batch, error::ScanError, plan::ScanPlan};
use scandrill_model::{ScanResult, Stamp};
pub(crate) struct IdleScan;
impl IdleScan {
    pub(crate) fn new(_: &ScanPlan) -> Result<Self, ScanError> {
        Ok(Self)
    }
    pub(crate) fn poll_transmit(&mut self, _: Stamp, _: &mut Batch) {}
    pub(crate) fn receive(&mut self, _: Stamp, _: &[u8]) {}
    pub(crate) fn next_timeout(&mut self) -> Option<Stamp> {
        None
    }
    pub(crate) fn is_finished(&self) -> bool {
        true
    }
    pub(crate) fn finish(self) -> Result<ScanResult, ScanError> {
        Ok(ScanResult::default())
    }
}
