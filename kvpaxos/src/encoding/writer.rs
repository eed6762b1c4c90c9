//! Writes postcard's encoding.

use serde::Serialize;

/// Appends the postcard encoding.
pub(crate) fn append_payload<T: Serialize>(content: &T, out: &mut Vec<u8>) {
    postcard::serialize_with_flavor(content, Append(out))
        .expect("our types know their lengths, and memory takes all that comes");
}

/// Postcard's way of writing to the end of a vector that has something in it already.
struct Append<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Append<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
