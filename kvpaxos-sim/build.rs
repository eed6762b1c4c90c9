//! Makes a digest of the sources of the simulator and of what it simulates, for the receipts of sweeps.

use std::path::{Path, PathBuf};
use std::{fs, io};

use xxhash_rust::xxh3::Xxh3;

/// What decides the outcome of a sweep. The program only prints it.
const DIRECTORIES: [&str; 3] = ["src", "../kvpaxos/src", "../kvpaxos-history/src"];
const PROGRAM: &str = "src/bin";

fn main() -> io::Result<()> {
    let mut digest = Xxh3::new();
    for directory in DIRECTORIES {
        println!("cargo::rerun-if-changed={directory}");
        let mut files = Vec::new();
        sources(Path::new(directory), &mut files)?;
        files.sort();
        for file in files {
            let content = fs::read(&file)?;
            // With its length before it, no content can be taken for the name of another file.
            digest.update(file.to_string_lossy().replace('\\', "/").as_bytes());
            digest.update(&(content.len() as u64).to_le_bytes());
            digest.update(&content);
        }
    }
    println!("cargo::rustc-env=KVPAXOS_SIM_SOURCES={:016x}", digest.digest());
    Ok(())
}

fn sources(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if directory == Path::new(PROGRAM) {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
