//! The machine, as far as it matters for the figures.

use std::fs;
use std::path::{Path, PathBuf};

use crate::output::say;

/// Prints what the figures depend on. Data directories are made in this one.
pub(crate) fn describe(dir: Option<&Path>) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let busy = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    say(&format!(
        "machine: {cores} cores ({}), Linux {}; load average before the start: {}",
        model.unwrap_or_else(|| "of unknown model".to_owned()),
        kernel.trim(),
        busy.split(' ').take(3).collect::<Vec<_>>().join(" ")
    ));
    say("servers and load share these cores; all connections are on loopback");
    let dir = dir.map_or_else(std::env::temp_dir, Path::to_owned);
    let dir = fs::canonicalize(&dir).unwrap_or(dir);
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let kind = file_system(&mounts, &dir).unwrap_or("unknown");
    let warning = match kind {
        "tmpfs" | "ramfs" => ": it is in memory, so syncs cost nothing here; use --dir",
        _ => "",
    };
    say(&format!(
        "data in {}, on a file system of type {kind}{warning}",
        dir.display()
    ));
}

/// The type of the file system that a directory is on: that of the longest mount point above it.
fn file_system<'a>(mounts: &'a str, dir: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        Some((PathBuf::from(point), kind))
    });
    let above = mounts.filter(|(point, _)| dir.starts_with(point));
    // Of two at one point, the later one hides the other.
    above
        .max_by_key(|(point, _)| point.components().count())
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_on_the_innermost_file_system() {
        let mounts = "/dev/a / ext4 rw 0 0\nnone /tmp tmpfs rw 0 0\n/dev/b /tmp/data xfs rw 0 0\n";
        let kind = |dir: &str| file_system(mounts, Path::new(dir));
        assert_eq!(kind("/home"), Some("ext4"));
        assert_eq!(kind("/tmpfile"), Some("ext4"));
        assert_eq!(kind("/tmp/x"), Some("tmpfs"));
        assert_eq!(kind("/tmp/data/1"), Some("xfs"));
        assert_eq!(file_system("", Path::new("/")), None);
    }
}
