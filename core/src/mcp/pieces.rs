use bytes::{Bytes, BytesMut};

use crate::runtime::by_size;

/// How long a piece grows, in bytes: what grows is moved now and then, and to move this much takes
/// some hundred microseconds.
pub const PIECE: usize = 2 * 1024 * 1024;

/// What has come of a message that may be long, in pieces: what is there is not moved when more comes,
/// and is put together once it is whole. What is long is put together, and let go, aside.
#[derive(Debug, Default)]
pub struct Pieces {
    whole: Vec<Bytes>,
    last: BytesMut,
    length: usize,
}

/// A message that was put together, and is long.
struct Long(Vec<u8>);

impl Pieces {
    /// What is shorter than this is copied rather than kept as a piece of its own, in bytes: a message
    /// may come a byte at a time.
    pub const SMALL: usize = 4 * 1024;

    /// Returns how many bytes have come.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing has come.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes what has come next, without a copy where it is much, or all.
    pub fn add(&mut self, bytes: Bytes) {
        if bytes.len() < Self::SMALL && !self.is_empty() {
            return self.copy(&bytes);
        }
        self.length += bytes.len();
        self.end_piece();
        self.whole.push(bytes);
    }

    /// Takes a copy of what has come next.
    pub fn copy(&mut self, bytes: &[u8]) {
        if self.last.len() + bytes.len() > PIECE {
            self.end_piece();
        }
        self.length += bytes.len();
        self.last.extend_from_slice(bytes);
    }

    fn end_piece(&mut self) {
        if !self.last.is_empty() {
            self.whole.push(std::mem::take(&mut self.last).freeze());
        }
    }

    /// Puts together what has come, and begins anew.
    pub fn take(&mut self) -> Bytes {
        if self.whole.is_empty() {
            self.length = 0;
            return std::mem::take(&mut self.last).freeze();
        }
        self.end_piece();
        let length = std::mem::take(&mut self.length);
        let pieces = std::mem::take(&mut self.whole);
        match <[Bytes; 1]>::try_from(pieces) {
            Ok([only]) => only,
            Err(pieces) => by_size(length, || join(pieces, length)),
        }
    }

    /// Lets go of what has come.
    pub fn clear(&mut self) {
        let length = std::mem::take(&mut self.length);
        let pieces = (
            std::mem::take(&mut self.whole),
            std::mem::take(&mut self.last),
        );
        by_size(length, || drop(pieces));
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Each piece is let go once it is copied, so that a message is not there twice.
fn join(pieces: Vec<Bytes>, length: usize) -> Bytes {
    let mut joined = Vec::with_capacity(length);
    for piece in pieces {
        joined.extend_from_slice(&piece);
    }
    if length > PIECE {
        Bytes::from_owner(Long(joined))
    } else {
        joined.into()
    }
}

impl AsRef<[u8]> for Long {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Long {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.0);
        by_size(bytes.len(), || drop(bytes));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_comes_in_one_piece_is_not_copied() {
        let mut pieces = Pieces::default();
        for length in [1, 100 * Pieces::SMALL] {
            let only = Bytes::from(vec![7; length]);
            pieces.add(only.clone());
            let taken = pieces.take();
            assert_eq!((taken.as_ptr(), pieces.len()), (only.as_ptr(), 0));
        }
    }

    #[test]
    fn a_byte_at_a_time_makes_few_pieces() {
        let mut pieces = Pieces::default();
        for byte in 0..3 * PIECE {
            pieces.add(Bytes::copy_from_slice(&[byte.to_le_bytes()[0]]));
        }
        assert_eq!((pieces.whole.len(), pieces.len()), (3, 3 * PIECE));
        let taken = pieces.take();
        assert!(
            taken
                .iter()
                .zip(0_usize..)
                .all(|(is, place)| *is == place.to_le_bytes()[0])
        );
        assert_eq!(taken.len(), 3 * PIECE);
        assert!(pieces.is_empty());
    }

    proptest! {
        #[test]
        fn however_it_comes_it_is_whole(
            parts in prop::collection::vec((0_usize..3 * Pieces::SMALL, any::<u8>(), any::<bool>()), 0..8),
        ) {
            let (mut pieces, mut expected) = (Pieces::default(), Vec::new());
            for (length, byte, copied) in parts {
                let part = vec![byte; length];
                expected.extend_from_slice(&part);
                if copied {
                    pieces.copy(&part);
                } else {
                    pieces.add(part.into());
                }
                prop_assert_eq!(pieces.len(), expected.len());
            }
            prop_assert_eq!(pieces.take(), expected);
            prop_assert!(pieces.is_empty() && pieces.take().is_empty());
        }
    }
}
