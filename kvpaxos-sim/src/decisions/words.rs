//! Times, numbers and names of nodes as words of a line.

use kvpaxos::ReplicaId;

use crate::engine::Node;

/// A time or a length in seconds: `1.5s`, with up to six decimals.
pub(crate) fn seconds(micros: u64) -> String {
    let (whole, part) = (micros / 1_000_000, micros % 1_000_000);
    let part = format!("{part:06}");
    let part = part.trim_end_matches('0');
    if part.is_empty() {
        format!("{whole}s")
    } else {
        format!("{whole}.{part}s")
    }
}

/// Reads a time or a length.
pub(crate) fn read_seconds(word: &str) -> Result<u64, String> {
    let wrong = || format!("{word:?} is no time: write seconds with up to six decimals, like 1.25s");
    let number = word.strip_suffix('s').ok_or_else(wrong)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part: u64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
    let micros = whole
        .checked_mul(1_000_000)
        .and_then(|whole| whole.checked_add(part));
    micros.filter(|micros| *micros <= LONGEST).ok_or_else(|| {
        format!(
            "{word:?} is too long: a scenario takes at most {}",
            seconds(LONGEST)
        )
    })
}

/// No time of a scenario is later: a thousand days.
const LONGEST: u64 = 86_400_000_000_000;

pub(crate) fn number<T: std::str::FromStr>(word: &str, what: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word:?} is no {what}"))
}

/// Reads `#3`.
pub(crate) fn count(word: &str) -> Result<u32, String> {
    let digits = word.strip_prefix('#').unwrap_or_default();
    match digits.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!(
            "{word:?} is no count: write #1 for the first, #2 for the second"
        )),
    }
}

/// Reads `r1`; there are `replicas`.
pub(crate) fn replica(word: &str, replicas: usize) -> Result<ReplicaId, String> {
    let id = word.strip_prefix('r').and_then(|id| id.parse::<u8>().ok());
    let id = id.ok_or_else(|| format!("{word:?} is no replica: write r0, r1, ..."))?;
    if usize::from(id) >= replicas {
        return Err(format!("there is no replica {word}: the cluster has {replicas}"));
    }
    Ok(ReplicaId(id))
}

/// Reads `c1`.
pub(crate) fn client(word: &str, clients: u32) -> Result<u32, String> {
    let number = word
        .strip_prefix('c')
        .and_then(|number| number.parse::<u32>().ok());
    let number = number.ok_or_else(|| format!("{word:?} is no client: write c0, c1, ..."))?;
    if number >= clients {
        return Err(format!("there is no client {word}: clients.count is {clients}"));
    }
    Ok(number)
}

/// Reads `r1` or `c1`.
pub(crate) fn node(word: &str, replicas: usize, clients: u32) -> Result<Node, String> {
    if word.starts_with('c') {
        client(word, clients).map(Node::client)
    } else {
        replica(word, replicas).map(Node::replica)
    }
}

/// Reads `r0->r2`.
pub(crate) fn link(word: &str, replicas: usize, clients: u32) -> Result<(Node, Node), String> {
    let (from, to) = word
        .split_once("->")
        .ok_or_else(|| format!("{word:?} is no link: write r0->r2"))?;
    Ok((node(from, replicas, clients)?, node(to, replicas, clients)?))
}
