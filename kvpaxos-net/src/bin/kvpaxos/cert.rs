//! `kvpaxos cert`: a certificate authority for tests and for clusters of one's own, and its certificates.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use kvpaxos::ReplicaId;
use kvpaxos_net::authority::{Authority, Pair};

use crate::args::CertCommand;
use crate::exit::Exit;
use crate::terminal::say;

/// How long certificates of `cluster up --tls` are valid, in days.
#[cfg(unix)]
pub(crate) const DAYS: u32 = 365;
/// The name of the authority's files.
const AUTHORITY: &str = "ca";

pub(crate) fn run(command: &CertCommand) -> Result<Exit, String> {
    let (what, paths) = match command {
        CertCommand::Authority { dir, days } => (
            "the authority; keep its key where nobody else reads it",
            found(dir, *days)?.1,
        ),
        CertCommand::Replica { dir, id, hosts, days } => {
            ("the replica", replica(&existing(dir)?, dir, *id, hosts, *days)?)
        }
        CertCommand::Client { dir, name, days } => ("the client", client(&existing(dir)?, dir, name, *days)?),
    };
    let [certificate, key] = paths;
    say!(
        "{} and {} are those of {what}",
        certificate.display(),
        key.display()
    );
    Ok(Exit::Done)
}

/// Makes an authority, and writes its files.
pub(crate) fn found(dir: &Path, days: u32) -> Result<(Authority, [PathBuf; 2]), String> {
    fs::create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    let (authority, pair) = Authority::generate(days).map_err(|error| error.to_string())?;
    let paths = write(dir, AUTHORITY, &pair)?;
    Ok((authority, paths))
}

/// Makes the certificate of a replica, and writes its files.
pub(crate) fn replica(
    authority: &Authority,
    dir: &Path,
    id: u8,
    hosts: &[String],
    days: u32,
) -> Result<[PathBuf; 2], String> {
    let pair = authority.replica(ReplicaId(id), hosts, days);
    write(dir, &format!("r{id}"), &pair.map_err(|error| error.to_string())?)
}

/// Makes the certificate of a client, and writes its files.
pub(crate) fn client(
    authority: &Authority,
    dir: &Path,
    name: &str,
    days: u32,
) -> Result<[PathBuf; 2], String> {
    let pair = authority.client(name, days);
    write(dir, name, &pair.map_err(|error| error.to_string())?)
}

/// Where the files of this name are.
pub(crate) fn paths(dir: &Path, name: &str) -> [PathBuf; 2] {
    [dir.join(format!("{name}.pem")), dir.join(format!("{name}.key"))]
}

/// Where the certificate of the authority is.
#[cfg(unix)]
pub(crate) fn authority(dir: &Path) -> PathBuf {
    let [certificate, _] = paths(dir, AUTHORITY);
    certificate
}

/// The authority in a directory.
fn existing(dir: &Path) -> Result<Authority, String> {
    let [_, key] = paths(dir, AUTHORITY);
    let text = fs::read_to_string(&key).map_err(|error| {
        format!(
            "cannot read {}: {error}; kvpaxos cert authority {} makes an authority",
            key.display(),
            dir.display()
        )
    })?;
    Authority::with_key(&text).map_err(|error| format!("{} cannot be used: {error}", key.display()))
}

/// Writes a certificate and its key into new files. Only this user can read them.
fn write(dir: &Path, name: &str, pair: &Pair) -> Result<[PathBuf; 2], String> {
    let paths = paths(dir, name);
    let [certificate, key] = &paths;
    let failed = |path: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!(
            "{} exists already, and is not overwritten; move it away if it is not needed any more",
            path.display()
        ),
        _ => format!("cannot write {}: {error}", path.display()),
    };
    if certificate.exists() {
        return Err(failed(certificate, io::ErrorKind::AlreadyExists.into()));
    }
    create(key, &pair.key).map_err(|error| failed(key, error))?;
    if let Err(error) = create(certificate, &pair.certificate) {
        // A key alone is of no use, and would be in the way.
        let _ = fs::remove_file(key);
        return Err(failed(certificate, error));
    }
    Ok(paths)
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
