//! Large and many: what long values, many connections and many keys cost. Run with
//! `cargo bench -p kvpaxos-net --bench large`.
//!
//! Five processes serve on loopback. `--help` lists the flags.

mod load;
mod processes;

use std::fs::File;
use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Parser, value_parser};
use kvpaxos::{Request, RequestBody, codec};

use crate::load::{Load, client, follower, kill};
use crate::processes::{Processes, REPLICAS};

const MIB: f64 = 1024.0 * 1024.0;
/// How long each row of long values is measured.
const MEASURED: Duration = Duration::from_secs(4);

/// Long values, many connections and many keys on five durable replicas.
#[derive(Parser)]
struct Settings {
    /// Keys that are loaded in one go.
    #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..))]
    keys: u64,
    /// Connections that are idle.
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u32).range(1..))]
    connections: u32,
    /// Where the data goes [default: a temporary directory that is removed].
    #[arg(long = "dir")]
    directory: Option<PathBuf>,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Writes a second, over this time.
async fn rate(load: &Load, time: Duration) -> f64 {
    let (began, before) = (Instant::now(), load.done());
    tokio::time::sleep(time).await;
    (load.done() - before) as f64 / began.elapsed().as_secs_f64()
}

/// What five writers, each with a file of its own, bring to this disk: bytes a second of each, in writes of this
/// length with a sync after each.
fn raw_disk(directory: &Path, length: usize) -> Result<f64> {
    let writers: Vec<_> = (0..REPLICAS)
        .map(|number| {
            let path = directory.join(format!("raw{number}"));
            std::thread::spawn(move || -> Result<u64> {
                let (mut file, block) = (File::create(&path)?, vec![b'v'; length]);
                let (began, mut written) = (Instant::now(), 0);
                while began.elapsed() < MEASURED {
                    file.write_all(&block)?;
                    file.sync_data()?;
                    written += length as u64;
                }
                std::fs::remove_file(&path)?;
                Ok(written)
            })
        })
        .collect();
    let mut written = 0;
    for writer in writers {
        written += writer.join().expect("it does not panic")?;
    }
    Ok(written as f64 / REPLICAS as f64 / MEASURED.as_secs_f64())
}

async fn long_values(servers: &[String], directory: &Path) -> Result<()> {
    for (name, length, clients, pipeline) in [("10 KiB", 10 << 10, 32, 8), ("1 MiB", (1 << 20) - 1024, 8, 2)]
    {
        let load = Load::start(servers, clients, pipeline, 100, &Bytes::from(vec![b'v'; length]));
        rate(&load, Duration::from_secs(1)).await;
        let rate = rate(&load, MEASURED).await;
        load.assert_good();
        drop(load);
        // A sync of the log serves some of the requests in flight. How many is not known here; a quarter is taken.
        let raw = raw_disk(directory, length * clients * pipeline / 4)?;
        let bytes = rate * length as f64;
        println!(
            "values of {name}: {rate:.0}/s, {:.0} MiB/s at each replica; five plain writers {:.0} MiB/s each: {:.2}",
            bytes / MIB,
            raw / MIB,
            bytes / raw
        );
    }
    Ok(())
}

/// The resident memory of a replica's process, in bytes.
fn memory(processes: &Processes, replica: usize) -> Result<f64> {
    let process = processes.children[replica].as_ref().expect("it runs").id();
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.expect("the system tells it in kB") * 1024.0)
}

async fn many_keys(servers: &[String], processes: &Processes, keys: u64) -> Result<()> {
    let before: f64 = memory(processes, 0)?;
    let load = Load::start(servers, 32, 32, keys, &Bytes::from(vec![b'v'; 100]));
    let began = Instant::now();
    while load.done() < keys {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    load.assert_good();
    drop(load);
    let data = keys as f64 * 116.0;
    let used: Vec<f64> = (0..REPLICAS)
        .map(|replica| memory(processes, replica))
        .collect::<Result<_>>()?;
    let most = used.iter().copied().fold(0.0, f64::max);
    println!(
        "{keys} keys of 16 bytes with values of 100: {:.0}/s; {:.0} MiB of data, {:.0} MiB of memory at most \
         ({:.0} before): {:.2} bytes a byte",
        keys as f64 / seconds,
        data / MIB,
        most / MIB,
        before / MIB,
        (most - before) / data
    );
    Ok(())
}

async fn restart(processes: &mut Processes) -> Result<()> {
    let replica = follower(processes).await;
    kill(processes, replica)?;
    let began = Instant::now();
    processes.serve(replica)?;
    let opened = began.elapsed();
    let read = client(&[processes.address(replica)], 0)
        .get("key0000000000000")
        .await;
    read.expect("it serves");
    println!(
        "a restart after kill -9: its port is open after {opened:.2?}, the first read is answered after {:.2?}",
        began.elapsed()
    );
    Ok(())
}

async fn many_connections(processes: &Processes, count: u32) -> Result<()> {
    let replica = follower(processes).await;
    let before = memory(processes, replica)?;
    let request = Request {
        id: 1,
        body: RequestBody::Status,
    };
    let mut bytes = Vec::new();
    codec::encode_into(&request, &mut bytes).expect("it is short");
    let mut connections = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(processes.address(replica))?;
        stream.write_all(&bytes)?;
        let mut answer = [0; 4096];
        assert!(
            stream.read(&mut answer)? > 0,
            "connection {} is refused",
            connections.len()
        );
        connections.push(stream);
    }
    let used = memory(processes, replica)? - before;
    println!(
        "{count} connections that have asked once and are idle: {:.0} bytes of memory each",
        used / f64::from(count)
    );
    Ok(())
}

async fn measure(settings: &Settings, directory: &Path) -> Result<()> {
    let mut processes = Processes::start(directory)?;
    let servers: Vec<String> = (0..REPLICAS).map(|replica| processes.address(replica)).collect();
    client(&servers, 0)
        .put("key", "value")
        .await
        .expect("the cluster serves");
    many_keys(&servers, &processes, settings.keys).await?;
    restart(&mut processes).await?;
    many_connections(&processes, settings.connections).await?;
    long_values(&servers, directory).await
}

fn main() -> Result<()> {
    let settings = Settings::parse();
    if let Err(error) = kvpaxos_net::raise_descriptor_limit() {
        println!("the limit of open files stays: {error}");
    }
    let temporary = tempfile::tempdir()?;
    let directory = settings.directory.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(directory)?;
    tokio::runtime::Runtime::new()?.block_on(measure(&settings, directory))
}
