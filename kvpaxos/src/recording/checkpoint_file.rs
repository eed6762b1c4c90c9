//! The file of a checkpoint, written as the state comes.

use std::ops::ControlFlow;

use super::entry::Header;
use super::writer::Writer;
use super::{Checkpoint, MAX_PIECE, Writes};
use crate::types::Time;

/// The file of a [`Checkpoint`], for a state that is longer than what one wants in memory:
/// [`Replica::export_in_pieces`](crate::Replica::export_in_pieces). It has blocks of a piece each.
pub struct CheckpointFile {
    writer: Writer,
    /// What is not in a block yet: it may be the last piece, and that is marked.
    piece: Vec<u8>,
}

impl CheckpointFile {
    /// Begins the file with all but the state. The segment has this header, and `digest` is that of all effects before it.
    /// Returns the first bytes as well.
    #[must_use]
    pub fn begin(header: &Header, digest: u64, at: Time, writes: &Writes) -> (CheckpointFile, Vec<u8>) {
        let (mut writer, mut first) = Writer::begin(header);
        writer.go_on_from(digest);
        let mut file = CheckpointFile {
            writer,
            piece: Vec::new(),
        };
        // All of it is taken.
        let _ = file.add(&Checkpoint::beginning(at, writes), |block| {
            first.extend_from_slice(block);
            ControlFlow::Continue(())
        });
        (file, first)
    }

    /// Adds bytes of the state. Each block that is full goes to `write`, which says whether to go on.
    pub fn add(
        &mut self,
        mut bytes: &[u8],
        mut write: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        while !bytes.is_empty() {
            if self.piece.len() == MAX_PIECE {
                write(self.block(false))?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(MAX_PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
        }
        ControlFlow::Continue(())
    }

    /// The last block. The file is complete with it.
    #[must_use]
    pub fn end(&mut self) -> &[u8] {
        self.block(true)
    }

    fn block(&mut self, is_last: bool) -> &[u8] {
        self.writer.checkpoint(&self.piece, is_last);
        self.piece.clear();
        self.writer.seal()
    }
}
