//! scratch
use bytes::Bytes;
use kvpaxos::*;
use std::collections::VecDeque;
use std::time::Instant;
fn main() {
    let kv = std::env::args().nth(1).as_deref() == Some("kv");
    let n = 5u8;
    let mut rs: Vec<Replica> = (0..n)
        .map(|i| {
            Replica::new(
                Config::new(ReplicaId(i), 5),
                Memory::Kept(vec![]),
                Entropy([i; 32]),
                Time(0),
            )
            .unwrap()
        })
        .collect();
    let mut q: VecDeque<(ReplicaId, Event)> = VecDeque::new();
    let mut now = Time(0);
    let mut eff = Vec::new();
    let mut leader = None;
    let mut chosen = 0u64;
    let mut slots = 0u64;
    let total = 2_000_000u64;
    let payload = Bytes::from(vec![7u8; 100]);
    let mut sent = 0u64;
    let mut started = None;
    let mut session = None;
    let mut msgs = 0u64;
    let mut seq = 0u64;
    let mut done_low = 0u64;
    let mk = |sent: u64, session: Option<SessionId>, seq: u64, low: u64| -> Request {
        if kv {
            let k = Bytes::from(format!("key-{:012}", (seq * 7919) % 10000));
            Request {
                id: sent,
                body: RequestBody::Apply {
                    session: session.unwrap(),
                    sequence: Sequence(seq),
                    lowest_unanswered: Sequence(low),
                    op: Op::Put {
                        key: k,
                        value: payload.clone(),
                    },
                },
            }
        } else {
            Request {
                id: sent,
                body: RequestBody::Submit {
                    payload: payload.clone(),
                },
            }
        }
    };
    loop {
        let Some((to, ev)) = q.pop_front() else {
            if let Some(l) = leader {
                if started.is_none() {
                    if kv && session.is_none() {
                        q.push_back((
                            l,
                            Event::Client {
                                from: ClientId(9),
                                request: Request {
                                    id: 0,
                                    body: RequestBody::Open,
                                },
                            },
                        ));
                    } else {
                        started = Some(Instant::now());
                        for _ in 0..1024 {
                            q.push_back((
                                l,
                                Event::Client {
                                    from: ClientId(1),
                                    request: mk(sent, session, seq, done_low),
                                },
                            ));
                            sent += 1;
                            seq += 1;
                        }
                    }
                    if !q.is_empty() {
                        continue;
                    }
                }
            }
            let d = rs.iter().enumerate().min_by_key(|(_, r)| r.deadline()).unwrap();
            now = d.1.deadline().unwrap();
            q.push_back((ReplicaId(d.0 as u8), Event::Clock));
            continue;
        };
        rs[to.0 as usize].step_into(Input { at: now, event: ev }, &mut eff);
        for e in eff.drain(..) {
            match e {
                Effect::Send(Envelope { to: t, message }) => {
                    msgs += 1;
                    q.push_back((t, Event::Peer { from: to, message }))
                }
                Effect::Persist { then, .. } => {
                    for Envelope { to: t, message } in then {
                        msgs += 1;
                        q.push_back((t, Event::Peer { from: to, message }))
                    }
                }
                Effect::Reply { to: _c, reply } => {
                    if let Outcome::Opened { session: s } = reply.outcome {
                        session = Some(s);
                        continue;
                    }
                    match reply.outcome {
                        Outcome::Done { .. } => {}
                        o => panic!("{o:?}"),
                    }
                    chosen += 1;
                    done_low += 1;
                    if chosen == total {
                        let s = started.unwrap().elapsed();
                        println!(
                            "{} chosen/s, {} slots, {} msgs",
                            total as f64 / s.as_secs_f64(),
                            slots,
                            msgs
                        );
                        return;
                    }
                    if sent < total {
                        q.push_back((
                            to,
                            Event::Client {
                                from: ClientId(1),
                                request: mk(sent, session, seq, done_low),
                            },
                        ));
                        sent += 1;
                        seq += 1;
                    }
                }
                Effect::Observe(Observation::Elected { ballot, .. }) => leader = Some(ballot.replica),
                Effect::Observe(Observation::Chosen { .. }) => slots += 1,
                Effect::Observe(_) => {}
                Effect::Halt(r) => panic!("{r}"),
            }
        }
    }
}
