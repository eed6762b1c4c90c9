//! Checks of recordings: what is accepted is read again as it is written.

use kvpaxos::recording::{Entry, Header, ReadError, Reader, Writer};
use kvpaxos::{Event, Memory, RequestBody};

/// Where the blocks of a file begin.
const BLOCKS: usize = 10;

/// Reads a recording. If the first byte is odd, the checksums of the rest are corrected, so that what the blocks hold is
/// read.
pub fn check_recording(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let mut file = rest.to_vec();
    if first % 2 == 1 {
        correct_checksums(&mut file);
    }
    let (header, entries) = match read(&file) {
        Ok(read) => read,
        Err(error) => {
            assert!(error.to_string().len() < 1000, "{error}");
            return;
        }
    };
    let (again, same) = read(&written(&header, &entries)).expect("what was written is well-formed");
    assert_eq!(again, header, "another header is read than was written");
    // A password is not written.
    if !entries.iter().any(shows_password) {
        assert_eq!(same, entries, "other entries are read than were written");
    }
    let place = usize::from(*first) * file.len() / 256;
    file[place] ^= 1 << (first % 8);
    assert!(read(&file).is_err(), "byte {place} was changed");
}

fn shows_password(entry: &Entry) -> bool {
    let Entry::Input {
        event: Event::Client { request, .. },
        ..
    } = entry
    else {
        return false;
    };
    matches!(request.body, RequestBody::Authenticate { .. })
}

fn read(file: &[u8]) -> Result<(Header, Vec<Entry>), ReadError> {
    let (mut reader, header) = Reader::new(file)?;
    let mut entries = Vec::new();
    while let Some(block) = reader.next_block()? {
        entries.extend(block.entries);
    }
    Ok((header, entries))
}

/// The file of these entries.
fn written(header: &Header, entries: &[Entry]) -> Vec<u8> {
    let (mut writer, mut file) = Writer::begin(header);
    for entry in entries {
        match entry {
            Entry::Checkpoint { piece, is_last } => writer.checkpoint(piece, *is_last),
            Entry::Remember(record) => writer.remember(record),
            Entry::Start { at, kept, entropy } => writer.start(*at, *kept, *entropy),
            Entry::Restart {
                at,
                role,
                kept,
                entropy,
            } => {
                let memory = if *kept {
                    Memory::Kept(Vec::new())
                } else {
                    Memory::Lost
                };
                let (role, entropy) = (*role, *entropy);
                writer.input(
                    *at,
                    &Event::Restart {
                        role,
                        memory,
                        entropy,
                    },
                );
            }
            Entry::Input { at, event } => writer.input(*at, event),
            Entry::Own { at } => writer.own(*at),
            Entry::Durable { batch } => writer.durable(*batch),
            Entry::Flush => writer.flush(),
            Entry::Stopped => writer.stopped(),
            Entry::Full => writer.full(),
        }
        if writer.is_full() {
            file.extend_from_slice(writer.seal());
        }
    }
    if !writer.is_empty() {
        file.extend_from_slice(writer.seal());
    }
    file
}

/// Corrects the checksums of all blocks that are there as a whole.
pub fn correct_checksums(file: &mut [u8]) {
    let mut at = BLOCKS;
    while let Some(length) = file.get(at..at + 4) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        let Some(end) = at.checked_add(8 + length).filter(|end| *end <= file.len()) else {
            return;
        };
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&file[at..at + 4]);
        hasher.update(&file[at + 8..end]);
        file[at + 4..at + 8].copy_from_slice(&hasher.finalize().to_le_bytes());
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All seeds are recordings: a fuzzer that starts only from refused inputs finds little.
    #[test]
    fn the_seeds_are_recordings() {
        let seeds = format!("{}/seeds/recording", env!("CARGO_MANIFEST_DIR"));
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).expect("seeds are committed") {
            let bytes = std::fs::read(seed.expect("a file").path()).expect("it can be read");
            let mut file = bytes[1..].to_vec();
            if bytes[0] % 2 == 1 {
                correct_checksums(&mut file);
            }
            let (_, entries) = read(&file).expect("it is whole");
            assert!(entries.len() > 3);
            check_recording(&bytes);
            count += 1;
        }
        assert_eq!(count, 4);
    }
}
