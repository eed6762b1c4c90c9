//! Random bits from the operating system.

use std::io;

use kvpaxos::Entropy;

/// Returns fresh random bits of the operating system.
///
/// # Errors
/// If the operating system has none.
pub fn entropy() -> io::Result<Entropy> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(Entropy(bits))
}

/// Returns a random number, of fresh bits.
///
/// # Errors
/// As [`entropy`].
pub(crate) fn draw() -> io::Result<u64> {
    let mut bits = [0; 8];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(bits))
}
