//! Seeds for the reader of recordings.

use kvpaxos::recording::{Header, Writer};
use kvpaxos::{
    Ballot, ClientId, Config, Entropy, Event, Founding, Memory, Message, Record, ReplicaId, Request,
    RequestBody, Role, Slot, Tag, Time,
};

use crate::Seeds;

/// A replica that starts with nothing, and one that starts with a log and whose roles fail. Each with its checksums, and
/// to be corrected.
pub(super) fn recordings() -> Seeds {
    let mut seeds = Seeds::new();
    for (name, file) in [("new", new()), ("roles", roles())] {
        // The first byte says whether checksums are corrected.
        for first in [0, 1] {
            let bytes = [&[first], &file[..]].concat();
            seeds.insert(format!("recording/{name}-{first}").into(), bytes);
        }
    }
    seeds
}

fn begin() -> (Writer, Vec<u8>) {
    Writer::begin(&Header {
        release: "0.1.0".to_owned(),
        cluster: 7,
        life: 1,
        segment: 1,
        began: 1_700_000_000_000_000,
        durable: true,
        config: Config::new(ReplicaId(1), 3),
    })
}

fn new() -> Vec<u8> {
    let (mut writer, mut file) = begin();
    let founding = Founding(3);
    writer.remember(&Record::Founded { founding });
    writer.start(Time(10), true, Entropy([1; 32]));
    let tag = Tag { nonce: 1, number: 0 };
    let events = [
        Event::Clock,
        Event::Client {
            from: ClientId(1),
            request: Request {
                id: 1,
                body: RequestBody::Open { tag },
            },
        },
        Event::Peer {
            from: ReplicaId(0),
            founding: Some(founding),
            message: Message::Refused {
                ballot: Ballot::ZERO,
                promised: Ballot::ZERO,
            },
        },
        Event::ClientGone { client: ClientId(1) },
        Event::HandOver,
    ];
    for (at, event) in (20..).map(Time).zip(&events) {
        writer.input(at, event);
    }
    writer.flush();
    file.extend_from_slice(writer.seal());
    writer.durable(1);
    writer.own(Time(30));
    writer.stopped();
    file.extend_from_slice(writer.seal());
    file
}

fn roles() -> Vec<u8> {
    let (mut writer, mut file) = begin();
    let (ballot, up_to) = (Ballot::ZERO, Slot(1));
    for record in [
        Record::Promised { ballot },
        Record::Chosen { ballot, up_to },
        Record::DiskLost,
    ] {
        writer.remember(&record);
    }
    writer.start(Time(10), false, Entropy([2; 32]));
    for role in Role::ALL {
        writer.input(Time(20), &Event::Fail(role));
        writer.input(
            Time(30),
            &Event::Restart {
                role,
                memory: Memory::Lost,
                entropy: Entropy([3; 32]),
            },
        );
    }
    writer.full();
    file.extend_from_slice(writer.seal());
    file
}
