// What the reader does: pointer, keys, filters, the address, paper.

let isDue = false;
const zooms = { order: null, time: null };
function redraw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    draw();
    drawStrip();
  });
}

// Forgets the pictures that are kept.
function redrawAll() {
  stripImage = null;
  detail++;
}

function resize() {
  const frame = panel("frame");
  view.ratio = window.devicePixelRatio || 1;
  view.width = Math.max(300, frame.clientWidth);
  view.height = frame.clientHeight;
  view.height = Math.max(layRows(), frame.clientHeight);
  canvas.style.height = view.height + "px";
  canvas.width = view.width * view.ratio;
  canvas.height = view.height * view.ratio;
  redrawAll();
  redraw();
}

const span = () => (view.width - GUTTER) / view.zoom;
function clampView() {
  const most = view.scale === "order" ? 140 : 4;
  const least = (view.width - GUTTER) / (lastPosition() * 1.1 + 2);
  view.zoom = Math.min(most, Math.max(least, view.zoom));
  view.x0 = Math.min(lastPosition(), Math.max(-span() * 0.05, view.x0));
}
function zoomBy(factor, x = (view.width + GUTTER) / 2) {
  const p = pAt(x);
  view.zoom *= factor;
  clampView();
  view.x0 = p - (x - GUTTER) / view.zoom;
  clampView();
  changedView();
}
function fit() {
  view.zoom = 0;
  clampView();
  view.x0 = -span() * 0.02;
  changedView();
}
function centre(i) {
  view.x0 = position(i) - span() / 2;
  clampView();
  changedView();
}
function reveal(i) {
  const x = xOf(position(i));
  if (x < GUTTER + 30 || x > view.width - 60) centre(i);
}
function changedView() {
  redraw();
  writeAddress();
}

function choose(i, isRevealed = false) {
  chosen.event = Math.max(-1, Math.min(count - 1, i));
  if (chosen.past) {
    chosen.past = chosen.event >= 0 ? pastOf(chosen.event) : null;
    detail++;
  }
  if (chosen.event >= 0 && isRevealed) reveal(chosen.event);
  showEvent();
  showStates();
  showHistory();
  redraw();
  writeAddress();
}
function togglePast() {
  chosen.past = chosen.past || chosen.event < 0 ? null : pastOf(chosen.event);
  detail++;
  panel("past").setAttribute("aria-pressed", String(chosen.past !== null));
  changedView();
}
// Each scale keeps its zoom. The first time, about as much is across as before.
function setScale(scale) {
  const middle = chosen.event >= 0 ? chosen.event : Math.min(count - 1, lowerBound(positions(), pAt((view.width + GUTTER) / 2)));
  const seen = visible();
  zooms[view.scale] = view.zoom;
  view.scale = scale;
  const across = scale === "order" ? seen.last - seen.first : time[seen.to] - time[seen.from];
  view.zoom = zooms[scale] ?? (view.width - GUTTER) / Math.max(across, 5);
  clampView();
  panel("scale").value = scale;
  redrawAll();
  centre(middle);
}
function refilter() {
  applyFilter();
  redrawAll();
  showChips();
  showHistory();
  view.height = panel("frame").clientHeight;
  resize();
  clampView();
  if (chosen.event >= 0) reveal(chosen.event);
  panel("shown").textContent = shown.length < count ? shown.length + " of " + plural(count, "event") + " shown" : plural(count, "event");
  changedView();
}
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  readColours();
  colours.badband = getComputedStyle(document.documentElement).getPropertyValue("--badband").trim();
  colours.font = "ui-monospace, 'DejaVu Sans Mono', Menlo, monospace";
  redrawAll();
  redraw();
}
const isDark = () => getComputedStyle(document.documentElement).getPropertyValue("--theme").trim() === "dark";

// The address names the event and the view, so that it can be sent to somebody.
let addressTimer = 0;
function writeAddress() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const parts = { event: chosen.event >= 0 ? chosen.event : null, past: chosen.past ? 1 : null, scale: view.scale, at: view.x0.toFixed(2), zoom: view.zoom.toPrecision(5),
      slot: filter.slot, key: filter.key || null, find: filter.find || null, off: [...filter.off, ...nodes.filter((node) => !node.isOn).map((node) => node.name)].join(",") || null };
    const text = Object.entries(parts).filter(([, value]) => value !== null).map(([name, value]) => name + "=" + encodeURIComponent(value)).join("&");
    history.replaceState(null, "", "#" + text);
  }, 250);
}
function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const number = (name) => (parts.has(name) && Number.isFinite(Number(parts.get(name))) ? Number(parts.get(name)) : null);
  if (["light", "dark"].includes(parts.get("theme"))) setTheme(parts.get("theme"));
  filter.slot = number("slot");
  filter.key = parts.get("key") ?? "";
  filter.find = (parts.get("find") ?? "").toLowerCase();
  const off = (parts.get("off") ?? "").split(",");
  filter.off = new Set(off.filter((name) => kindCounts.has(name)));
  for (const node of nodes) node.isOn = !off.includes(node.name);
  [panel("slot").value, panel("key").value, panel("find").value] = [filter.slot ?? "", filter.key, filter.find];
  view.scale = parts.get("scale") === "time" ? "time" : "order";
  panel("scale").value = view.scale;
  refilter();
  const found = data.violation && data.violation.event >= 0 ? data.violation.event : -1;
  const event = number("event") ?? found;
  chosen.past = null;
  detail++;
  choose(Math.min(event, count - 1));
  if (parts.get("past") === "1") togglePast();
  const most = view.scale === "order" ? Math.min(shown.length, 60) : (time[count - 1] || 1);
  view.zoom = number("zoom") ?? (view.width - GUTTER) / (most + 2);
  clampView();
  if (number("at") !== null) view.x0 = number("at");
  else if (chosen.event >= 0) view.x0 = position(chosen.event) - span() * 0.82;
  else view.x0 = -span() * 0.02;
  clampView();
  if (["history", "scenario", "about"].includes(parts.get("tab"))) showTab(parts.get("tab"));
  redraw();
}

// The event or the message near a point.
function eventNear(x, y) {
  const seen = visible();
  let best = -1, least = 14;
  for (let k = Math.max(seen.first, lowerBound(shown, seen.from)); k < seen.last; k++) {
    const i = shown[k];
    const far = Math.hypot(xOf(position(i)) - x, (nodes[E.node[i]].y - y) * 0.8);
    if (far < least) [best, least] = [i, far];
  }
  return best;
}
function messageNear(x, y) {
  const seen = visible();
  if (seen.last - seen.first > MOST_EVENTS) return -1;
  let best = -1, least = 6;
  for (let m = lowerBound(reach, seen.from), to = upperBound(M.sent, seen.to); m < to; m++) {
    if (!isMessageShown[m] || sender(m) === M.to[m]) continue;
    const [x0, y0, ya] = [xOf(position(M.sent[m])), nodes[sender(m)].y, nodes[M.to[m]].y];
    for (const end of arrowEnds(m)) {
      const y1 = end.isLost || end.isOpen ? y0 + (ya - y0) * 0.6 : ya;
      const [dx, dy] = [end.x - x0, y1 - y0];
      const part = Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
      const far = Math.hypot(x0 + part * dx - x, y0 + part * dy - y);
      if (far < least) [best, least] = [m, far];
    }
  }
  return best;
}

function step(way, isAtNode) {
  if (chosen.event < 0) return choose(shown[0] ?? -1, true);
  if (isAtNode) {
    const next = way > 0 ? after : before;
    let i = next[chosen.event];
    while (i >= 0 && !isShown[i]) i = next[i];
    if (i >= 0) choose(i, true);
    return;
  }
  const place = way > 0 ? upperBound(shown, chosen.event) : lowerBound(shown, chosen.event) - 1;
  if (place >= 0 && place < shown.length) choose(shown[place], true);
}

const KEYS = {
  ArrowRight: (press) => step(1, press.shiftKey),
  ArrowLeft: (press) => step(-1, press.shiftKey),
  Home: () => choose(shown[0] ?? -1, true),
  End: () => choose(shown.at(-1) ?? -1, true),
  c: () => chosen.event >= 0 && E.cause[chosen.event] >= 0 && choose(E.cause[chosen.event], true),
  e: () => {
    const next = pointers.find(({ event }) => event > chosen.event) ?? pointers[0];
    if (next) choose(next.event, true);
  },
  v: () => data.violation && data.violation.event >= 0 && choose(data.violation.event, true),
  p: togglePast,
  o: () => setScale(view.scale === "order" ? "time" : "order"),
  t: () => setTheme(isDark() ? "light" : "dark"),
  "+": () => zoomBy(1.5),
  "=": () => zoomBy(1.5),
  "-": () => zoomBy(1 / 1.5),
  0: fit,
  a: () => { view.x0 -= span() * 0.2; clampView(); changedView(); },
  d: () => { view.x0 += span() * 0.2; clampView(); changedView(); },
  "/": () => panel("find").focus(),
  "?": () => panel("help").showModal(),
};

function showTab(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) tab.setAttribute("aria-selected", String(tab.dataset.panel === name));
  for (const id of ["history", "scenario", "about"]) panel(id).hidden = id !== name;
}

function listen() {
  let drag = null;
  canvas.addEventListener("pointerdown", (press) => {
    drag = { x: press.clientX, x0: view.x0, moved: false };
    canvas.setPointerCapture(press.pointerId);
    canvas.focus({ preventScroll: true });
  });
  canvas.addEventListener("pointermove", (move) => {
    const bounds = canvas.getBoundingClientRect();
    const [x, y] = [move.clientX - bounds.left, move.clientY - bounds.top];
    if (drag) {
      drag.moved ||= Math.abs(move.clientX - drag.x) > 3;
      view.x0 = drag.x0 - (move.clientX - drag.x) / view.zoom;
      clampView();
      panel("tip").hidden = true;
      return changedView();
    }
    const i = x < GUTTER ? -1 : eventNear(x, y);
    const m = i < 0 && x >= GUTTER ? messageNear(x, y) : -1;
    const tip = panel("tip");
    tip.hidden = i < 0 && m < 0;
    tip.textContent = i >= 0 ? nodes[E.node[i]].name + " " + seconds(time[i]) + "  " + eventText(i) : m >= 0 ? messageText(m) + (M.lostAt[m] >= 0 ? "  ✕ " + LOSSES[M.lostWhy[m]] : "") : "";
    tip.style.left = Math.min(x + 14, view.width - 320) + "px";
    tip.style.top = y + 16 + "px";
    if (i !== chosen.hover) {
      chosen.hover = i;
      redraw();
    }
  });
  canvas.addEventListener("pointerup", (press) => {
    const wasClick = drag && !drag.moved;
    drag = null;
    if (!wasClick) return;
    const bounds = canvas.getBoundingClientRect();
    const [x, y] = [press.clientX - bounds.left, press.clientY - bounds.top];
    const i = eventNear(x, y);
    const m = i < 0 ? messageNear(x, y) : -1;
    if (i >= 0) choose(i);
    else if (m >= 0) choose(arrivals(m)[0] ?? M.sent[m]);
  });
  canvas.addEventListener("wheel", (turn) => {
    // Over the names the wheel scrolls, where there are more lines than fit.
    if (turn.offsetX < GUTTER) return;
    if (turn.shiftKey || Math.abs(turn.deltaX) > Math.abs(turn.deltaY)) {
      turn.preventDefault();
      view.x0 += (turn.deltaX || turn.deltaY) / view.zoom;
      clampView();
      return changedView();
    }
    turn.preventDefault();
    zoomBy(Math.exp(-turn.deltaY / 400), turn.clientX - canvas.getBoundingClientRect().left);
  }, { passive: false });
  const jump = (press) => {
    view.x0 = (press.offsetX / strip.clientWidth) * lastPosition() - span() / 2;
    clampView();
    changedView();
  };
  strip.addEventListener("pointerdown", (press) => {
    strip.setPointerCapture(press.pointerId);
    jump(press);
  });
  strip.addEventListener("pointermove", (move) => move.buttons && jump(move));
  document.addEventListener("keydown", (press) => {
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(press.target.tagName);
    if (isTyping) return press.key === "Escape" && press.target.blur();
    if (press.ctrlKey || press.metaKey || press.altKey || panel("help").open) return;
    const act = KEYS[press.key];
    if (act) {
      press.preventDefault();
      act(press);
    }
  });
  listenToControls();
}

function listenToControls() {
  const later = (act, timer = { id: 0 }) => () => {
    clearTimeout(timer.id);
    timer.id = setTimeout(act, 150);
  };
  panel("slot").addEventListener("input", later(() => {
    const text = panel("slot").value.trim();
    filter.slot = text === "" || !/^\d+$/.test(text) ? null : Number(text);
    refilter();
  }));
  panel("key").addEventListener("input", later(() => ((filter.key = panel("key").value), refilter())));
  panel("find").addEventListener("input", later(() => ((filter.find = panel("find").value.toLowerCase()), refilter())));
  panel("scale").addEventListener("change", () => setScale(panel("scale").value));
  const click = (id, act) => panel(id).addEventListener("click", act);
  click("theme", () => KEYS.t());
  click("closer", () => zoomBy(1.5));
  click("farther", () => zoomBy(1 / 1.5));
  click("fit", fit);
  click("past", togglePast);
  click("back", () => step(-1, false));
  click("forward", () => step(1, false));
  click("keys-help", () => panel("help").showModal());
  click("close-help", () => panel("help").close());
  panel("only-wrong").addEventListener("change", showHistory);
  for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => showTab(tab.dataset.panel));
  window.addEventListener("resize", resize);
  window.addEventListener("hashchange", readAddress);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(document.documentElement.dataset.theme ?? ""));
  window.addEventListener("beforeprint", toPaper);
  window.addEventListener("afterprint", fromPaper);
}

// Paper is light and wide. The diagram is drawn once more for it, and the scenario as plain text.
let kept = null;
function toPaper() {
  kept ??= { theme: document.documentElement.dataset.theme ?? "", width: view.width, height: view.height, ratio: view.ratio, x0: view.x0, zoom: view.zoom };
  setTheme("light");
  view.zoom *= (1150 - GUTTER) / (view.width - GUTTER);
  Object.assign(view, { width: 1150, ratio: 2, height: 460 });
  view.height = layRows();
  const sheet = document.createElement("canvas");
  sheet.width = view.width * 2;
  sheet.height = view.height * 2;
  const screen = paper;
  paper = sheet.getContext("2d", { alpha: false });
  draw();
  paper = screen;
  panel("paper").src = sheet.toDataURL("image/png");
  panel("paper-scenario").textContent = (panel("scenario-text").value || "").split("\n").slice(0, 150).join("\n");
}
function fromPaper() {
  if (!kept) return;
  const { theme, ...rest } = kept;
  kept = null;
  Object.assign(view, rest);
  setTheme(theme);
  resize();
}

setTheme("");
showHead();
showScenario();
listen();
resize();
readAddress();
window.kvpaxosReport = { view, chosen, draw, choose, shown: () => shown.length, count };
