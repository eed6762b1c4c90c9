//! Clients on an atomic map, event by event.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use kvpaxos::{Random, Revision, Slot};

use super::key::{self, Key};
use super::{Flaw, Kind, LONG, Nonsense, Settings, Share};
use crate::history::{Action, Answer, Event, EventKind, Operation};

/// How much longer than its length an operation of unknown outcome may take to take effect.
const LATE: u64 = 20;

/// Makes a history: an iterator of its events. See the [module](super).
pub struct Generator {
    settings: Settings,
    random: Random,
    /// The flaw has draws of its own, so that a history with it is the one without it but for what was changed.
    flaw: Random,
    /// The number of the first operation that may get a wrong answer.
    flaw_from: u64,
    flawed: Option<u64>,
    queue: BinaryHeap<Reverse<Due>>,
    /// Orders what is due at the same time.
    queued: u64,
    now: i64,
    /// Only those that were used.
    keys: HashMap<u64, Key>,
    unique: u64,
    invoked: u64,
    /// How many writes took effect, whether anybody heard of it or not.
    written: u64,
    /// By number: what was invoked and has something due.
    pending: HashMap<u64, Pending>,
}

/// What the generator does next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Moment {
    /// A client invokes an operation or hears of its end.
    Event(Event),
    /// The operation with this number, in the order of invocations from 0, takes effect. The order of these is the witness
    /// that the history, but for its flaw, is linearizable. The last of unknown outcome may come after the last event.
    Effect(u64),
}

/// Ordered by time, then by what was queued first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    time: i64,
    order: u64,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Invoke { process: u64 },
    Effect(u64),
    Complete(u64),
}

struct Pending {
    process: u64,
    key: u64,
    action: Action,
    fate: Fate,
    answer: Option<Answer>,
    /// How many writes had taken effect when it did, with it.
    rev: u64,
    /// How many effects and completions are still due.
    due: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    Failed,
    Unknown,
}

impl Generator {
    /// Begins a history.
    ///
    /// # Errors
    /// If there is none with such settings.
    pub fn new(settings: Settings) -> Result<Generator, Nonsense> {
        settings.check()?;
        let mut random = Random::from_seed(settings.seed);
        let mut flaw = Random::new(random.entropy());
        let half = settings.operations / 2;
        let mut generator = Generator {
            flaw_from: half + flaw.below(half),
            flaw,
            random,
            flawed: None,
            queue: BinaryHeap::new(),
            queued: 0,
            now: 0,
            keys: HashMap::new(),
            unique: 0,
            invoked: 0,
            written: 0,
            pending: HashMap::new(),
            settings,
        };
        for process in 0..u64::from(generator.settings.clients) {
            let within = generator.settings.length + generator.settings.pause;
            let begin = generator.random.below(within);
            generator.queue_in(begin, What::Invoke { process });
        }
        Ok(generator)
    }

    /// The number, in the order of invocations from 0, of the get whose answer has been changed by now.
    #[must_use]
    pub fn flawed(&self) -> Option<u64> {
        self.flawed
    }

    /// How many operations and dues are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.pending.len() + self.queue.len()
    }

    /// What comes next: events, and in between the moments at which operations take effect. The iterator leaves those out.
    pub fn next_moment(&mut self) -> Option<Moment> {
        while let Some(Reverse(due)) = self.queue.pop() {
            self.now = due.time;
            match due.what {
                What::Invoke { .. } if self.invoked == self.settings.operations => {}
                What::Invoke { process } => return Some(Moment::Event(self.invoke(process))),
                What::Effect(number) => {
                    self.take_effect(number);
                    return Some(Moment::Effect(number));
                }
                What::Complete(number) => return Some(Moment::Event(self.complete(number))),
            }
        }
        None
    }

    fn invoke(&mut self, process: u64) -> Event {
        let number = self.invoked;
        self.invoked += 1;
        let is_last = self.invoked == self.settings.operations;
        let is_needed = is_last && self.settings.flaw != Flaw::None && self.flawed.is_none();
        let (key, fate) = (self.draw_key(), self.draw_fate());
        let (action, fate) = if is_needed {
            (Action::Get, Fate::Answered)
        } else {
            (self.draw_action(key), fate)
        };
        let length = self.draw_length();
        let effect = match fate {
            Fate::Answered => Some(self.random.below(length + 1)),
            Fate::Unknown if self.random.below(2) == 0 => Some(self.random.below(length * LATE)),
            Fate::Unknown | Fate::Failed => None,
        };
        if let Some(effect) = effect {
            self.queue_in(effect, What::Effect(number));
        }
        self.queue_in(length, What::Complete(number));
        let pending = Pending {
            process,
            key,
            action: action.clone(),
            fate,
            answer: None,
            rev: 0,
            due: 1 + u8::from(effect.is_some()),
        };
        self.pending.insert(number, pending);
        let key = format!("k{key}");
        self.event(process, EventKind::Invoke(Operation { key, action }))
    }

    fn take_effect(&mut self, number: u64) {
        let pending = self.pending.get_mut(&number).expect("it has its effect due");
        let key = key_of(&mut self.keys, &self.settings, pending.key);
        pending.answer = Some(key.apply(&pending.action));
        self.written += u64::from(pending.action != Action::Get);
        pending.rev = self.written;
        self.was_due(number);
    }

    fn complete(&mut self, number: u64) -> Event {
        let pending = self.pending.get_mut(&number).expect("it has its completion due");
        let (process, key) = (pending.process, pending.key);
        let is_placed = self.settings.rev && pending.fate == Fate::Answered;
        let rev = is_placed.then_some(Revision {
            slot: Slot(pending.rev),
            index: 0,
        });
        let kind = match pending.fate {
            Fate::Failed => EventKind::Fail,
            Fate::Unknown => EventKind::Info,
            Fate::Answered => {
                let answer = pending.answer.take();
                let answer = answer.expect("what is answered takes effect before");
                EventKind::Ok(self.spoiled(number, key, answer))
            }
        };
        self.was_due(number);
        let pause = self.random.below(self.settings.pause * 2 + 1);
        self.queue_in(pause, What::Invoke { process });
        let event = self.event(process, kind);
        Event { rev, ..event }
    }

    fn was_due(&mut self, number: u64) {
        if let Some(pending) = self.pending.get_mut(&number) {
            pending.due -= 1;
            if pending.due == 0 {
                self.pending.remove(&number);
            }
        }
    }

    /// The answer, or a wrong one if this is the get for it.
    fn spoiled(&mut self, number: u64, key: u64, answer: Answer) -> Answer {
        let Answer::Value(value) = answer else {
            return answer;
        };
        if self.flawed.is_some() || number < self.flaw_from {
            return Answer::Value(value);
        }
        let wrong = match self.settings.flaw {
            Flaw::None => None,
            Flaw::Stale => {
                let key = key_of(&mut self.keys, &self.settings, key);
                key.past_other_than(&value, &mut self.flaw).cloned()
            }
            // No tail holds this sign, so that no value that comes from the first one holds it once more.
            Flaw::Impossible => Some(self.settings.initial.appended(&"?".into())),
        };
        self.flawed = wrong.is_some().then_some(number);
        Answer::Value(wrong.unwrap_or(value))
    }

    fn draw_key(&mut self) -> u64 {
        if self.is_drawn(self.settings.hot) {
            return 0;
        }
        self.random.below(self.settings.keys)
    }

    fn draw_fate(&mut self) -> Fate {
        let (unknown, failed) = (self.settings.unknown.0, self.settings.failed.0);
        let drawn = self.random.below(u64::from(Share::ALL.0));
        if drawn < u64::from(unknown) {
            Fate::Unknown
        } else if drawn < u64::from(unknown) + u64::from(failed) {
            Fate::Failed
        } else {
            Fate::Answered
        }
    }

    fn draw_action(&mut self, key: u64) -> Action {
        let random = &mut self.random;
        let key = key_of(&mut self.keys, &self.settings, key);
        let kind = self.settings.mix.at(random.below(self.settings.mix.total()));
        match kind {
            Kind::Get => return Action::Get,
            Kind::Delete => return Action::Delete,
            Kind::Put | Kind::Append | Kind::Cas => {}
        }
        let number = key.next(self.settings.values, &mut self.unique, random);
        let value = key::whole(number);
        match kind {
            Kind::Append if !key.is_long() => Action::Append(key::tail(number)),
            Kind::Cas => {
                let is_present = random.below(2) == 0;
                let expect = if is_present { key.value() } else { key.past(random) };
                let expect = expect.clone();
                Action::Cas { expect, value }
            }
            _ => Action::Put(value),
        }
    }

    fn draw_length(&mut self) -> u64 {
        let length = 1 + self.random.below(self.settings.length * 2 - 1);
        if self.is_drawn(self.settings.long) {
            length * LONG
        } else {
            length
        }
    }

    fn is_drawn(&mut self, share: Share) -> bool {
        share != Share::NONE && self.random.below(Share::ALL.0.into()) < u64::from(share.0)
    }

    fn queue_in(&mut self, ticks: u64, what: What) {
        let ticks = i64::try_from(ticks).expect("lengths and pauses are checked");
        let (time, order) = (self.now + ticks, self.queued);
        self.queued += 1;
        self.queue.push(Reverse(Due { time, order, what }));
    }

    fn event(&self, process: u64, kind: EventKind) -> Event {
        let time = self.now;
        Event {
            process,
            time,
            kind,
            rev: None,
        }
    }
}

fn key_of<'a>(keys: &'a mut HashMap<u64, Key>, settings: &Settings, key: u64) -> &'a mut Key {
    keys.entry(key).or_insert_with(|| {
        // A stale answer had better be older than what is written while an operation runs.
        let remembered = match settings.flaw {
            Flaw::Stale => settings.clients as usize * 4,
            Flaw::None | Flaw::Impossible => 0,
        };
        Key::new(settings.initial.clone(), remembered)
    })
}

impl Iterator for Generator {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            if let Moment::Event(event) = self.next_moment()? {
                return Some(event);
            }
        }
    }
}
