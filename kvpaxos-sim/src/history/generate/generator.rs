//! The generator: simulates clients on an atomic map and returns what they see, event by event.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use kvpaxos::{Random, Revision, Slot};

use super::key::{self, Key};
use super::{Flaw, Fraction, LONG, OperationKind, Settings, SettingsError};
use crate::history::{Action, Answer, Event, EventKind, Operation};

/// An operation of unknown outcome takes effect within this many times its length.
const LATE: u64 = 20;

/// Makes a history: an iterator of its events. See the [module](super).
pub struct Generator {
    settings: Settings,
    random: Random,
    /// The flaw has a random stream of its own, so a history with a flaw differs from the one without it in
    /// one answer only.
    flaw: Random,
    /// The number of the first operation that may get a wrong answer.
    flaw_from: u64,
    flawed: Option<u64>,
    queue: BinaryHeap<Reverse<ScheduledTask>>,
    /// Orders tasks that are scheduled for the same time.
    queued: u64,
    now: i64,
    /// The keys that have been used so far.
    keys: HashMap<u64, Key>,
    unique: u64,
    invoked: u64,
    /// The number of writes that have taken effect, whether or not a client was told.
    written: u64,
    /// The operations that still have a task scheduled, by number.
    pending: HashMap<u64, Pending>,
}

/// A step of the generator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A client invokes an operation or learns how it ended.
    Event(Event),
    /// The operation with this number takes effect; operations are numbered from 0 in the order of their
    /// invocations. Apart from the flaw, the order of these steps is a linearization of the history. An
    /// operation of unknown outcome may take effect after the last event.
    Effect(u64),
}

/// Tasks are ordered by time, and by the order of scheduling at the same time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ScheduledTask {
    time: i64,
    order: u64,
    task: Task,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Invoke { process: u64 },
    Effect(u64),
    Complete(u64),
}

struct Pending {
    process: u64,
    key: u64,
    action: Action,
    completion: Completion,
    answer: Option<Answer>,
    /// The number of writes that had taken effect once this operation did, itself included.
    rev: u64,
    /// How many of its effect and its completion are still scheduled.
    due: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Completion {
    Answered,
    Failed,
    Unknown,
}

impl Generator {
    /// Begins a history.
    ///
    /// # Errors
    /// If no history has such settings.
    pub fn new(settings: Settings) -> Result<Generator, SettingsError> {
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
            generator.queue_in(begin, Task::Invoke { process });
        }
        Ok(generator)
    }

    /// The number of the get whose answer has been changed, if that has happened yet. Operations are numbered
    /// from 0 in the order of their invocations.
    #[must_use]
    pub fn flawed(&self) -> Option<u64> {
        self.flawed
    }

    /// The number of operations and tasks in memory.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.pending.len() + self.queue.len()
    }

    /// The next step. The iterator returns only those steps that are events.
    pub fn next_step(&mut self) -> Option<Step> {
        while let Some(Reverse(due)) = self.queue.pop() {
            self.now = due.time;
            match due.task {
                Task::Invoke { .. } if self.invoked == self.settings.operations => {}
                Task::Invoke { process } => return Some(Step::Event(self.invoke(process))),
                Task::Effect(number) => {
                    self.take_effect(number);
                    return Some(Step::Effect(number));
                }
                Task::Complete(number) => return Some(Step::Event(self.complete(number))),
            }
        }
        None
    }

    fn invoke(&mut self, process: u64) -> Event {
        let number = self.invoked;
        self.invoked += 1;
        let is_last = self.invoked == self.settings.operations;
        let is_needed = is_last && self.settings.flaw != Flaw::None && self.flawed.is_none();
        let (key, completion) = (self.draw_key(), self.draw_completion());
        let (action, completion) = if is_needed {
            (Action::Get, Completion::Answered)
        } else {
            (self.draw_action(key), completion)
        };
        let length = self.draw_length();
        let effect = match completion {
            Completion::Answered => Some(self.random.below(length + 1)),
            Completion::Unknown if self.random.below(2) == 0 => Some(self.random.below(length * LATE)),
            Completion::Unknown | Completion::Failed => None,
        };
        if let Some(effect) = effect {
            self.queue_in(effect, Task::Effect(number));
        }
        self.queue_in(length, Task::Complete(number));
        let pending = Pending {
            process,
            key,
            action: action.clone(),
            completion,
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
        let is_placed = self.settings.rev && pending.completion == Completion::Answered;
        let rev = is_placed.then_some(Revision {
            slot: Slot(pending.rev),
            index: 0,
        });
        let kind = match pending.completion {
            Completion::Failed => EventKind::Fail,
            Completion::Unknown => EventKind::Info,
            Completion::Answered => {
                let answer = pending.answer.take();
                let answer = answer.expect("what is answered takes effect before");
                EventKind::Ok(self.spoiled(number, key, answer))
            }
        };
        self.was_due(number);
        let pause = self.random.below(self.settings.pause * 2 + 1);
        self.queue_in(pause, Task::Invoke { process });
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

    /// The answer, or a wrong one if this get is the one to be changed.
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
            // No appended text holds this sign, so no value that grows from the initial one contains it a
            // second time.
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

    fn draw_completion(&mut self) -> Completion {
        let (unknown, failed) = (self.settings.unknown.0, self.settings.failed.0);
        let drawn = self.random.below(u64::from(Fraction::ALL.0));
        if drawn < u64::from(unknown) {
            Completion::Unknown
        } else if drawn < u64::from(unknown) + u64::from(failed) {
            Completion::Failed
        } else {
            Completion::Answered
        }
    }

    fn draw_action(&mut self, key: u64) -> Action {
        let random = &mut self.random;
        let key = key_of(&mut self.keys, &self.settings, key);
        let kind = self.settings.mix.at(random.below(self.settings.mix.total()));
        match kind {
            OperationKind::Get => return Action::Get,
            OperationKind::Delete => return Action::Delete,
            OperationKind::Put | OperationKind::Append | OperationKind::Cas => {}
        }
        let number = key.next(self.settings.values, &mut self.unique, random);
        let value = key::whole(number);
        match kind {
            OperationKind::Append if !key.is_long() => Action::Append(key::tail(number)),
            OperationKind::Cas => {
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

    fn is_drawn(&mut self, share: Fraction) -> bool {
        share != Fraction::NONE && self.random.below(Fraction::ALL.0.into()) < u64::from(share.0)
    }

    fn queue_in(&mut self, ticks: u64, task: Task) {
        let ticks = i64::try_from(ticks).expect("lengths and pauses are checked");
        let (time, order) = (self.now + ticks, self.queued);
        self.queued += 1;
        self.queue.push(Reverse(ScheduledTask { time, order, task }));
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
        // A stale answer should be older than the values written while an operation runs.
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
            if let Step::Event(event) = self.next_step()? {
                return Some(event);
            }
        }
    }
}
