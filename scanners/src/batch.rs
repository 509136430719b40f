//! Packets on their way out: up to 64 in one contiguous buffer, so that they cross to the kernel in one call and
//! none costs an allocation.

/// Up to [`Batch::CAPACITY`] IP packets.
#[derive(Clone, Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each packet ends in `bytes`.
    ends: Vec<usize>,
}

impl Batch {
    /// How many packets fit.
    pub const CAPACITY: usize = 64;
    /// The buffer's first size for each packet; a longer one makes it grow once.
    const PACKET: usize = 128;

    /// Adds a packet made of two parts, and hands it out for finishing; `None` when the batch is full.
    pub(crate) fn push(&mut self, head: &[u8], tail: &[u8]) -> Option<&mut [u8]> {
        if self.is_full() {
            return None;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(tail);
        self.ends.push(self.bytes.len());
        self.bytes.get_mut(start..)
    }

    /// The packets, in the order in which they shall leave.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// How many packets there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no packet.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many more packets fit.
    pub(crate) fn room(&self) -> usize {
        Self::CAPACITY - self.ends.len()
    }

    /// Whether no more packet fits.
    pub fn is_full(&self) -> bool {
        self.ends.len() == Self::CAPACITY
    }

    /// Takes all packets out; the buffer stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            bytes: Vec::with_capacity(Self::CAPACITY * Self::PACKET),
            ends: Vec::with_capacity(Self::CAPACITY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_keeps_packets_apart_and_ends_at_its_capacity() {
        let mut batch = Batch::default();
        batch.push(b"ab", b"c").unwrap()[0] = b'x';
        batch.push(b"d", b"").unwrap();
        assert_eq!(batch.iter().collect::<Vec<_>>(), [&b"xbc"[..], &b"d"[..]]);
        while batch.push(b"e", b"").is_some() {}
        assert_eq!(batch.len(), Batch::CAPACITY);
        batch.clear();
        assert!(batch.is_empty() && batch.iter().next().is_none());
    }
}
