//! Files that are whole whenever the program ends.

use std::io::{self, Write as _};
use std::path::Path;

/// Writes a file under another name first and then gives it its own, in place of what had it. Who ends the program
/// in between finds the earlier content.
pub(crate) fn write_whole(path: &Path, content: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    // Others may read it, as they may read any file that is made here.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(content.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
