// The data of the page, and what is looked up in it. Events and messages are columns; text is a place in a table of strings.

const data = JSON.parse(document.getElementById("data").textContent);
const string = (place) => (place < 0 ? "" : data.strings[place]);
const E = data.events;
const M = data.messages;
const count = E.at.length;

const KIND = Object.fromEntries(data.kinds.map((name, place) => [name, place]));
const PART = { none: 0, evidence: 1, culprit: 2 };

// Times in microseconds.
const time = new Float64Array(count);
for (let i = 0, now = 0; i < count; i++) time[i] = now += E.at[i];

const seconds = (micros) => (micros / 1e6).toFixed(6) + " s";
const plural = (number, noun) => number + " " + noun + (number === 1 ? "" : "s");

// Marked events in their order: { event, names, texts }.
const pointers = [];
for (const [event, name, text] of [...data.pointers].sort((a, b) => a[0] - b[0])) {
  if (pointers.at(-1)?.event !== event) pointers.push({ event, names: [], texts: [] });
  pointers.at(-1).names.push(name);
  pointers.at(-1).texts.push(string(text));
}

// The first place of a sorted array whose value is not less, or is greater.
function lowerBound(array, value, from = 0, to = array.length) {
  while (from < to) {
    const middle = (from + to) >> 1;
    if (array[middle] < value) from = middle + 1;
    else to = middle;
  }
  return from;
}
function upperBound(array, value, from = 0, to = array.length) {
  while (from < to) {
    const middle = (from + to) >> 1;
    if (array[middle] <= value) from = middle + 1;
    else to = middle;
  }
  return from;
}

const nodes = data.nodes.map(([name, kind], id) => ({
  id, name, kind, events: [], lines: new Map(), bars: [], lanes: 1, isOn: true,
}));

// The event before and after at the same node. The line of the faults is no node, and has no order of its own.
const before = new Int32Array(count).fill(-1);
const after = new Int32Array(count).fill(-1);
for (let i = 0; i < count; i++) {
  const node = nodes[E.node[i]];
  const last = node.events.at(-1);
  if (last !== undefined) {
    before[i] = last;
    after[last] = i;
  }
  node.events.push(i);
  const changes = E.changes[i];
  if (changes) {
    for (let k = 0; k < changes.length; k += 2) {
      if (!node.lines.has(changes[k])) node.lines.set(changes[k], { events: [], values: [] });
      const line = node.lines.get(changes[k]);
      line.events.push(i);
      line.values.push(changes[k + 1]);
    }
  }
}

// Messages are in the order in which they were sent. No message up to a place reaches beyond `reach` there.
const messageCount = M.sent.length;
const arrivals = (m) => (typeof M.arrived[m] === "number" ? (M.arrived[m] < 0 ? [] : [M.arrived[m]]) : M.arrived[m]);
const lostPlace = new Int32Array(messageCount).fill(-1);
const reach = new Int32Array(messageCount);
for (let m = 0, far = -1; m < messageCount; m++) {
  far = Math.max(far, M.sent[m]);
  for (const arrival of arrivals(m)) far = Math.max(far, arrival);
  if (M.lostAt[m] >= 0) {
    lostPlace[m] = Math.max(lowerBound(time, M.lostAt[m]), M.sent[m]);
    far = Math.max(far, lostPlace[m]);
  }
  reach[m] = far;
}
const sender = (m) => E.node[M.sent[m]];
const sentBy = (event) => {
  const list = [];
  for (let m = lowerBound(M.sent, event); m < messageCount && M.sent[m] === event; m++) list.push(m);
  return list;
};
const LOSSES = { Dropped: "lost by chance", Cut: "the link is cut", Down: "the receiver is down", Broken: "the connection is broken" };
const about = (m) => string(M.name[m]) + (M.slots[m] ? " s" + M.slots[m][0] + (M.slots[m].length > 1 ? "…" : "") : "");
const messageText = (m) => nodes[sender(m)].name + " → " + nodes[M.to[m]].name + ": " + string(M.text[m]);
function eventText(i) {
  if (E.text[i] >= 0) return string(E.text[i]);
  const m = E.message[i];
  return "← " + nodes[sender(m)].name + ": " + string(M.text[m]);
}

// The state of a node after an event: lines as [name, value, value before], where the last is undefined if nothing changed.
function stateAt(node, event) {
  const lines = [];
  for (const [name, line] of node.lines) {
    const place = upperBound(line.events, event) - 1;
    if (place < 0) continue;
    const value = line.values[place];
    const isNew = line.events[place] === event;
    if (value < 0 && !isNew) continue;
    lines.push([string(name), value < 0 ? null : string(value), isNew ? string(place > 0 ? line.values[place - 1] : -1) : undefined]);
  }
  return lines;
}

// What lasts: { from, to, text, ... } with events as ends; `to` is the number of events if it does not end.
const spans = { down: [], paused: [], failed: [], leads: [], ballots: [] };
const ballots = new Map();
const ballotNumber = (name) => {
  if (!ballots.has(name)) ballots.set(name, ballots.size);
  return ballots.get(name);
};
const marksOf = (i) => E.marks[i] || [];

function collectSpans(node) {
  const open = new Map();
  const begin = (list, key, from, more) => {
    if (!open.has(key)) {
      const span = { node: node.id, from, to: count, ...more };
      open.set(key, span);
      spans[list].push(span);
    }
  };
  const end = (key, to) => {
    if (open.has(key)) open.get(key).to = to;
    open.delete(key);
  };
  if (node.kind === "Replica" && node.events.some((i) => E.kind[i] === KIND.Start)) begin("down", "down", -1, { text: "not started" });
  for (const i of node.events) {
    const kind = E.kind[i];
    const role = () => string(E.text[i]).split(" ")[0];
    if (kind === KIND.Start) end("down", i);
    if (kind === KIND.Crash) {
      for (const key of [...open.keys()]) end(key, i);
      begin("down", "down", i, { text: "down" });
    }
    if (kind === KIND.Pause) begin("paused", "paused", i, { text: "paused" });
    if (kind === KIND.Resume) end("paused", i);
    if (kind === KIND.RoleFails) begin("failed", role(), i, { text: role() + " failed" });
    if (kind === KIND.RoleRestarts) end(role(), i);
    for (const [mark, what] of marksOf(i)) {
      if (mark === "StepsDown" || mark === "Leads") end("leads", i);
      if (mark === "Leads") begin("leads", "leads", i, { text: "leads " + what, ballot: what });
    }
  }
  const line = [...node.lines].find(([name]) => string(name) === data.ballot);
  if (line) {
    const { events, values } = line[1];
    events.forEach((from, k) => {
      if (values[k] >= 0) {
        const ballot = string(values[k]);
        spans.ballots.push({ node: node.id, from, to: events[k + 1] ?? count, text: ballot, ballot });
      }
    });
  }
}

// Bars that overlap lie in lanes below each other.
function addBar(node, bar) {
  const ends = (node.laneEnds ??= []);
  let lane = ends.findIndex((end) => end < bar.from);
  if (lane < 0) lane = ends.length < (bar.isFault ? 4 : 6) ? ends.length : ends.length - 1;
  ends[lane] = bar.to;
  bar.lane = lane;
  node.lanes = ends.length;
  node.bars.push(bar);
}

const calls = data.calls.text.map((words, id) => ({
  id,
  text: string(words),
  from: data.calls.began[id],
  to: data.calls.ended[id] < 0 ? count : data.calls.ended[id],
  isOpen: data.calls.ended[id] < 0,
  outcome: string(data.calls.outcome[id]),
  keys: data.calls.keys[id] || [],
  part: data.calls.part[id],
}));
for (const call of calls) {
  call.node = E.node[call.from];
  addBar(nodes[call.node], call);
}
const faults = new Map();
for (let i = 0; i < count; i++) {
  if (E.kind[i] === KIND.FaultBegins) faults.set(i, { from: i, to: count, text: string(E.text[i]), isFault: true, isOpen: true, part: 0 });
  if (E.kind[i] === KIND.FaultEnds && faults.has(E.cause[i])) Object.assign(faults.get(E.cause[i]), { to: i, isOpen: false });
}
for (const fault of faults.values()) addBar(nodes[E.node[fault.from]], fault);
// The numbers of ballots follow the order of the messages, so that neighbours differ.
for (let m = 0; m < messageCount; m++) if (M.ballot[m] >= 0) ballotNumber(string(M.ballot[m]));
for (const node of nodes) collectSpans(node);

// What happened before an event: the events before it at its node, what caused these, and so on. `chain` is the line of messages
// that leads to it.
function pastOf(event) {
  const past = new Uint8Array(count);
  const stack = [event];
  past[event] = 1;
  while (stack.length > 0) {
    const i = stack.pop();
    const isWorld = nodes[E.node[i]].kind === "World";
    for (const j of [isWorld ? -1 : before[i], E.cause[i]]) {
      if (j >= 0 && !past[j]) {
        past[j] = 1;
        stack.push(j);
      }
    }
  }
  for (let i = event; i >= 0; i = E.cause[i] >= 0 ? E.cause[i] : before[i]) past[i] = 2;
  return past;
}
