// What is shown: by node, kind, slot, key and text. In the order of events, those that are shown stand side by side.

const filter = { slot: null, key: "", find: "", off: new Set() };
const isShown = new Uint8Array(count);
const isMessageShown = new Uint8Array(messageCount);
let shown = new Int32Array(0);
const rank = new Float64Array(count);

// The kind of an event for the filter: that of its message, if one arrived.
const kindName = (i) => (E.message[i] >= 0 ? string(M.name[E.message[i]]) : data.kinds[E.kind[i]]);
const kindCounts = new Map();
for (let i = 0; i < count; i++) kindCounts.set(kindName(i), (kindCounts.get(kindName(i)) ?? 0) + 1);

const allKeys = new Set();
for (const list of [M.keys, E.keys]) for (const keys of list) if (keys) for (const key of keys) allKeys.add(string(key));

function messageMatches(m) {
  const { slot, key, find } = filter;
  if (slot !== null && !(M.slots[m] && M.slots[m].includes(slot))) return false;
  if (key && !(M.keys[m] && M.keys[m].some((place) => string(place) === key))) return false;
  return !find || string(M.text[m]).toLowerCase().includes(find);
}

function eventMatches(i) {
  const { slot, key, find } = filter;
  if (slot === null && !key && !find) return true;
  if (E.message[i] >= 0 && messageMatches(E.message[i])) return true;
  const isSlot = slot === null || (E.slots[i] && E.slots[i].includes(slot));
  const isKey = !key || (E.keys[i] && E.keys[i].some((place) => string(place) === key));
  const words = () => eventText(i).toLowerCase().includes(find) || (E.notes[i] || []).some((note) => string(note).toLowerCase().includes(find));
  if (isSlot && isKey && (!find || words())) return true;
  return sentBy(i).some(messageMatches);
}

function applyFilter() {
  const list = [];
  for (let i = 0; i < count; i++) {
    isShown[i] = nodes[E.node[i]].isOn && !filter.off.has(kindName(i)) && eventMatches(i) ? 1 : 0;
  }
  // What is sent by an event that is shown, or is taken in by one. Its ends are shown with it.
  for (let m = 0; m < messageCount; m++) {
    const isOn = nodes[sender(m)].isOn && nodes[M.to[m]].isOn && !filter.off.has(string(M.name[m]));
    isMessageShown[m] = isOn && messageMatches(m) ? 1 : 0;
    if (isMessageShown[m] && sender(m) !== M.to[m]) isShown[M.sent[m]] = 1;
  }
  for (let i = 0; i < count; i++) {
    if (isShown[i]) list.push(i);
    rank[i] = isShown[i] ? list.length - 1 : list.length - 0.5;
  }
  shown = Int32Array.from(list);
}
