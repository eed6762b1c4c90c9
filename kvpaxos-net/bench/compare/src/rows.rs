//! What is measured.

/// A load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) is_read: bool,
    /// How many clients there are, each with a connection of its own, spread over the servers.
    pub(crate) clients: usize,
    /// How many requests each has in flight.
    pub(crate) pipeline: usize,
    /// What counts in this row.
    pub(crate) measure: Measure,
}

/// What counts in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Measure {
    Throughput,
    Latency,
}

/// Connections that all clients of etcd share, where it is measured with few. A call of its protocol is a stream of
/// a connection, so a connection carries many at a time.
const ETCD_SHARED: usize = 32;

impl Row {
    /// How many clients of etcd there are, each with one request in flight.
    pub(crate) fn etcd_clients(&self) -> usize {
        self.clients * self.pipeline
    }

    /// On how many connections etcd is asked, in turn: one for each client, and fewer that they share. The better
    /// one counts.
    pub(crate) fn etcd_connections(&self) -> Vec<usize> {
        match self.measure {
            Measure::Throughput => vec![self.etcd_clients(), ETCD_SHARED],
            Measure::Latency => vec![self.etcd_clients()],
        }
    }
}

pub(crate) const ROWS: [Row; 5] = [
    Row {
        name: "PUT, 256 connections, one in flight each",
        is_read: false,
        clients: 256,
        pipeline: 1,
        measure: Measure::Throughput,
    },
    Row {
        name: "PUT, 1,024 in flight on 32 connections",
        is_read: false,
        clients: 32,
        pipeline: 32,
        measure: Measure::Throughput,
    },
    Row {
        name: "PUT, one client",
        is_read: false,
        clients: 1,
        pipeline: 1,
        measure: Measure::Latency,
    },
    Row {
        name: "GET, 256 connections to all servers",
        is_read: true,
        clients: 256,
        pipeline: 1,
        measure: Measure::Throughput,
    },
    Row {
        name: "GET, one client",
        is_read: true,
        clients: 1,
        pipeline: 1,
        measure: Measure::Latency,
    },
];
