// The panels beside and below the diagram. All text goes in as text, never as markup.

function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [what, act] of Object.entries(value)) element.addEventListener(what, act);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
const panel = (id) => document.getElementById(id);

// A link to an event.
function link(i, words) {
  const go = (press) => {
    press.preventDefault();
    choose(i, true);
  };
  return el("a", { href: "#event=" + i, class: "event-link", on: { click: go } }, words ?? "event " + i);
}

function messageLine(m) {
  const line = el("li", {}, el("b", {}, nodes[M.to[m]].name + " "), string(M.text[m]), " ");
  const ends = arrivals(m);
  ends.forEach((i) => line.append(link(i, "arrives after " + ((time[i] - time[M.sent[m]]) / 1000).toFixed(3) + " ms"), " "));
  if (M.lostAt[m] >= 0) line.append(el("span", { class: "bad" }, "✕ lost: " + LOSSES[M.lostWhy[m]]));
  else if (ends.length === 0) line.append(el("span", { class: "dim" }, "does not arrive within the run"));
  return line;
}

function showEvent() {
  const i = chosen.event;
  const box = panel("event");
  box.replaceChildren();
  if (i < 0) {
    box.append(el("p", { class: "dim" }, "Choose an event in the diagram, or step with the arrow keys."));
    return;
  }
  const node = nodes[E.node[i]];
  const head = el("p", { class: "head" }, el("b", {}, node.name), " " + seconds(time[i]) + " ", el("span", { class: "dim" }, kindName(i) + ", event " + i + " of " + count));
  box.append(head, el("p", { class: "text" }, eventText(i)));
  if (E.cause[i] >= 0) box.append(el("p", {}, "caused by ", link(E.cause[i], nodes[E.node[E.cause[i]]].name + " at " + seconds(time[E.cause[i]]))));
  const notes = (E.notes[i] || []).map((note) => el("li", {}, string(note)));
  if (notes.length) box.append(el("ul", {}, ...notes));
  const sent = sentBy(i);
  if (sent.length) box.append(el("p", { class: "label" }, "sends " + plural(sent.length, "message")), el("ul", { class: "sent" }, ...sent.map(messageLine)));
  const pointer = pointers.find(({ event }) => event === i);
  if (pointer) box.append(...pointer.texts.map((text) => el("p", { class: "turn" }, "▼ " + text)));
  const found = data.violation;
  if (found && found.event === i) box.append(el("p", { class: "bad" }, "✗ After this event " + found.property + " is violated: " + string(found.explanation)));
}

function showStates() {
  const box = panel("states");
  box.replaceChildren();
  const i = chosen.event < 0 ? count - 1 : chosen.event;
  for (const node of nodes) {
    if (node.kind !== "Replica") continue;
    const isHere = E.node[i] === node.id;
    const down = spans.down.some((span) => span.node === node.id && span.from <= i && i < span.to);
    const paused = spans.paused.some((span) => span.node === node.id && span.from <= i && i < span.to);
    const status = down ? "down" : paused ? "paused" : "";
    const rowsOf = stateAt(node, i).map(([name, value, old]) => {
      const cells = [el("th", {}, name)];
      if (old === undefined) cells.push(el("td", {}, value ?? ""));
      else {
        cells.push(el("td", { class: "changed" }, el("span", { title: "changed by this event" }, "Δ "), old ? el("s", {}, old) : "", old ? " " : "", value ?? "(gone)"));
      }
      return el("tr", {}, ...cells);
    });
    const title = el("h3", {}, node.name + " ", status ? el("span", { class: "bad" }, "✕ " + status) : "", isHere ? el("span", { class: "dim" }, " here") : "");
    const next = el("button", { title: "the next event that changes " + node.name, on: { click: () => nextChange(node) } }, "next change");
    title.append(next);
    box.append(el("section", { class: isHere ? "state here" : "state" }, title, el("table", {}, ...rowsOf)));
  }
}

function nextChange(node) {
  const i = node.events.find((event) => event > chosen.event && E.changes[event]);
  if (i !== undefined) choose(i, true);
}

const MOST_ROWS = 250;
function showHistory() {
  const box = panel("history-rows");
  const onlyWrong = panel("only-wrong").checked;
  let list = calls.filter((call) => (!filter.key || call.keys.some((key) => string(key) === filter.key)) && (!onlyWrong || call.part > 0));
  const all = list.length;
  if (list.length > MOST_ROWS) {
    const near = Math.max(0, list.findLastIndex((call) => call.from <= Math.max(chosen.event, 0)));
    const wrong = list.filter((call) => call.part > 0);
    const from = Math.max(0, Math.min(near - MOST_ROWS / 2, list.length - MOST_ROWS));
    list = [...new Set([...wrong, ...list.slice(from, from + MOST_ROWS)])].sort((a, b) => a.from - b.from);
  }
  panel("history-count").textContent = list.length < all ? list.length + " of " + plural(all, "operation") + ": those near the chosen event" : plural(all, "operation");
  box.replaceChildren(...list.map((call) => {
    const isNow = chosen.event >= call.from && chosen.event <= call.to;
    const sign = call.part === PART.culprit ? "✗ wrong" : call.part === PART.evidence ? "• evidence" : "";
    const names = [call.part === PART.culprit ? "culprit" : call.part === PART.evidence ? "evidence" : "", isNow ? "now" : ""].join(" ").trim();
    return el("tr", { class: names || undefined },
      el("td", {}, sign + (isNow ? " ◂" : "")),
      el("td", {}, nodes[call.node].name),
      el("td", { class: "wide" }, call.text),
      el("td", { class: "wide" }, call.isOpen ? "(no answer)" : call.outcome),
      el("td", {}, link(call.from, seconds(time[call.from]))),
      el("td", {}, call.isOpen ? "–" : link(call.to, seconds(time[call.to]))));
  }));
}

function showChips() {
  const box = panel("kinds");
  const names = [...kindCounts.keys()].sort();
  box.replaceChildren(...names.map((name) => {
    const isOn = !filter.off.has(name);
    const flip = () => {
      if (filter.off.has(name)) filter.off.delete(name);
      else filter.off.add(name);
      refilter();
    };
    return el("button", { class: "chip", "aria-pressed": String(isOn), on: { click: flip } }, (isOn ? "☑ " : "☐ ") + name + " ", el("span", { class: "dim" }, String(kindCounts.get(name))));
  }));
  const nodeBox = panel("nodes");
  nodeBox.replaceChildren(...nodes.filter((node) => node.events.length).map((node) => {
    const flip = () => {
      node.isOn = !node.isOn;
      refilter();
    };
    return el("button", { class: "chip", "aria-pressed": String(node.isOn), on: { click: flip } }, (node.isOn ? "☑ " : "☐ ") + node.name);
  }));
}

function showHead() {
  panel("title").textContent = data.title;
  document.title = data.title;
  const box = panel("verdict");
  if (data.violation) {
    const { property, says, explanation, event, at } = data.violation;
    box.className = "verdict violated";
    box.append(el("b", {}, "✗ " + property + " is violated"), " (" + string(says) + ") at " + seconds(at) + ": " + string(explanation) + " ");
    if (event >= 0) box.append(link(event, "go there"));
  } else {
    box.className = "verdict good";
    box.append(el("b", {}, "✓ "), "every property that was checked held");
  }
  for (const { event, names, texts } of pointers) {
    panel("turns").append(el("div", {}, el("b", { class: "turn" }, "▼ " + names.join(", ")), " at " + seconds(time[event]) + ": " + texts.join(". ") + " ", link(event, "go there")));
  }
  panel("pointer-sign").hidden = pointers.length === 0;
  panel("facts").append(...data.facts.flatMap(([name, value]) => [el("dt", {}, string(name)), el("dd", {}, string(value))]));
  const lines = data.violation ? data.violation.lines.map(string) : [];
  if (lines.length) panel("facts").append(el("dt", {}, "what shows the violation"), el("dd", {}, el("pre", {}, lines.join("\n"))));
  panel("keys").append(...[...allKeys].sort().slice(0, 500).map((key) => el("option", { value: key })));
}

function showScenario() {
  const area = panel("scenario-text");
  const isThere = data.scenario !== null;
  panel("scenario").classList.toggle("none", !isThere);
  if (!isThere) return;
  const name = "scenario.txt";
  area.value = data.scenario;
  panel("replay").textContent = (data.replay ?? "").replace("FILE", name);
  panel("again").textContent = "kvpaxos-sim report " + name + " -o report.html";
  const changed = () => (panel("scenario-note").textContent = area.value === data.scenario ? "as it was played" : "changed: save it, and play it with the command below");
  changed();
  area.addEventListener("input", changed);
  panel("save").addEventListener("click", () => {
    const address = URL.createObjectURL(new Blob([area.value], { type: "text/plain" }));
    const anchor = el("a", { href: address, download: name });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  });
  panel("reset").addEventListener("click", () => {
    area.value = data.scenario;
    changed();
  });
}
