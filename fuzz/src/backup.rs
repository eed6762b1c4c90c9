//! Checks of copies of the store: what is accepted is whole.

use kvpaxos::{Limits, Reply};
use kvpaxos_net::backup::read_from;
use xxhash_rust::xxh3::xxh3_128;

use crate::codec::repair_checksums;

/// Reads a copy. If the first byte is odd, the rest are only the frames of one, whose checksums are corrected,
/// so that what they hold is read.
pub fn check_backup(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let file = if first % 2 == 0 {
        rest.to_vec()
    } else {
        sealed(rest.to_vec())
    };
    let read = |file: &[u8]| read_from(file, Limits::default());
    let saved = match read(&file) {
        Ok(saved) => saved,
        Err(error) => {
            assert!(error.to_string().len() < 1000, "{error}");
            return;
        }
    };
    assert_eq!(saved.bytes(), file.len() as u64);
    assert_eq!(saved.entries().count() as u64, saved.keys());
    for (key, value) in saved.entries() {
        assert_eq!(saved.get(key).as_deref(), Some(value));
    }
    let place = usize::from(*first) * file.len() / 256;
    assert!(read(&file[..place]).is_err(), "it is cut at {place}");
    let mut changed = file;
    changed[place] ^= 1 << (first % 8);
    assert!(read(&changed).is_err(), "byte {place} was changed");
}

/// A file with these frames, of which the checksums are corrected.
pub fn sealed(mut frames: Vec<u8>) -> Vec<u8> {
    repair_checksums::<Reply>(&mut frames);
    let mut file = [b"KVPSNAP\n", &1u32.to_le_bytes()[..], &frames, b"END\n"].concat();
    file.extend(xxh3_128(&file).to_le_bytes());
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All seeds are whole copies.
    #[test]
    fn the_seeds_are_copies() {
        let seeds = format!("{}/seeds/backup", env!("CARGO_MANIFEST_DIR"));
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).expect("seeds are committed") {
            let bytes = std::fs::read(seed.expect("a file").path()).expect("it can be read");
            let file = if bytes[0] == 0 {
                bytes[1..].to_vec()
            } else {
                sealed(bytes[1..].to_vec())
            };
            let saved = read_from(&file[..], Limits::default()).expect("it is whole");
            assert!(saved.keys() <= 3);
            check_backup(&bytes);
            count += 1;
        }
        assert_eq!(count, 6);
    }
}
