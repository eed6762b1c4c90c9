// Draws what is visible of the diagram. The ends of what is visible are found by halving; if more events are visible than can be
// told apart, each line becomes a histogram.

const GUTTER = 96;
const AXIS = 26;
const MOST_EVENTS = 1500; // drawn one by one
const MOST_LABELS = 260;

const canvas = document.getElementById("diagram");
let paper = canvas.getContext("2d", { alpha: false });
const view = { x0: 0, zoom: 1, scale: "order", width: 800, height: 400, ratio: 1 };
const chosen = { event: -1, hover: -1, past: null };
let colours = {};
let rows = [];

// Okabe and Ito's colours, darker on a light page where they would be too pale. Vermilion is for what goes wrong.
const PALETTES = {
  light: ["#0072B2", "#B97A00", "#009E73", "#B0518C", "#3C96CC"],
  dark: ["#56B4E9", "#E69F00", "#1DC598", "#E39BC6", "#F0E442"],
};
const DASHES = [[], [7, 3], [2, 2], [10, 3, 2, 3]];
const ballotColour = (name) => colours.ballots[ballotNumber(name) % 5];
const ballotDash = (name) => DASHES[Math.floor(ballotNumber(name) / 5) % DASHES.length];

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue("--" + name).trim();
  colours = Object.fromEntries(["page", "ink", "dim", "faint", "band", "bad", "turn", "accent", "good", "chip"].map((name) => [name, read(name)]));
  colours.ballots = PALETTES[read("theme") === "dark" ? "dark" : "light"];
}

const position = (i) => (view.scale === "order" ? rank[i] : time[i]);
const positions = () => (view.scale === "order" ? rank : time);
const xOf = (p) => GUTTER + (p - view.x0) * view.zoom;
const pAt = (x) => view.x0 + (x - GUTTER) / view.zoom;
const lastPosition = () => (view.scale === "order" ? Math.max(shown.length - 1, 1) : time[count - 1] || 1);
const edge = (i) => (i < 0 ? 0 : i >= count ? lastPosition() * 1.02 + 1 : position(i));

function layRows() {
  const active = nodes.filter((node) => node.isOn && node.events.length > 0);
  const least = (node) => (node.kind === "Replica" ? 46 : node.lanes * 17 + 24);
  const free = Math.max(0, view.height - AXIS - 6 - active.reduce((sum, node) => sum + least(node), 0));
  const stretch = Math.min(110, free / Math.max(1, active.length));
  rows = [];
  let y = AXIS;
  for (const node of active) {
    const height = least(node) + stretch;
    // Events of clients and faults stand above the bars of what lasts.
    node.y = node.kind === "Replica" ? y + height / 2 : y + height / 2 - node.lanes * 8.5;
    node.top = y;
    node.height = height;
    rows.push(node);
    y += height;
  }
  for (const node of nodes) if (!rows.includes(node)) node.y = NaN;
  return y + 6;
}

// Text on a halo. Labels that would cover another one are left out.
let boxes = [];
function label(words, x, y, colour, { align = "left", weight = "", force = false } = {}) {
  paper.font = weight + " 11px " + colours.font;
  const width = paper.measureText(words).width;
  const left = align === "center" ? x - width / 2 : align === "right" ? x - width : x;
  const box = [left - 2, y - 10, left + width + 2, y + 3];
  if (!force && boxes.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) return false;
  boxes.push(box);
  paper.lineWidth = 3;
  paper.strokeStyle = colours.page;
  paper.setLineDash([]);
  paper.strokeText(words, left, y);
  paper.fillStyle = colour;
  paper.fillText(words, left, y);
  return true;
}

const visible = () => {
  const all = positions();
  const [left, right] = [pAt(GUTTER), pAt(view.width)];
  const from = Math.max(0, lowerBound(all, left) - 1);
  const to = Math.min(count - 1, upperBound(all, right));
  return { left, right, from, to, first: lowerBound(shown, from), last: upperBound(shown, to) };
};

function draw() {
  const { width, height, ratio } = view;
  paper.setTransform(ratio, 0, 0, ratio, 0, 0);
  paper.fillStyle = colours.page;
  paper.fillRect(0, 0, width, height);
  boxes = [];
  const seen = visible();
  const isDense = seen.last - seen.first > MOST_EVENTS;
  paper.save();
  paper.beginPath();
  paper.rect(GUTTER, 0, width - GUTTER, height);
  paper.clip();
  drawLines(seen);
  drawBars(seen);
  if (isDense) drawHistogram(seen);
  else if (isLabelled(seen)) {
    drawMessages(seen);
    drawEvents(seen);
  } else drawTiles(seen);
  drawPointers(seen);
  drawViolation(seen);
  drawChosen();
  drawAxis(seen);
  paper.restore();
  drawNames();
}

// So few events that there is room for words at the arrows.
const isLabelled = (seen) => seen.last - seen.first < (view.width - GUTTER) / 9;

// Without words, events and arrows are drawn in tiles that are kept while the view moves: then a frame copies a few pictures, and
// draws one tile at most.
const TILE = 256;
const MOST_TILES = 40;
const tiles = { epoch: "", pictures: new Map() };
let detail = 0; // changes with everything that a tile depends on, other than the zoom and the size
function drawTiles(seen) {
  const epoch = [detail, view.zoom, view.height, view.ratio, view.scale].join(" ");
  if (tiles.epoch !== epoch || tiles.pictures.size > MOST_TILES) tiles.pictures.clear();
  tiles.epoch = epoch;
  const first = Math.floor((seen.left * view.zoom) / TILE);
  const last = Math.floor((seen.right * view.zoom) / TILE);
  for (let k = first; k <= last; k++) {
    if (!tiles.pictures.has(k)) tiles.pictures.set(k, drawTile(k));
    const x = Math.round((GUTTER + k * TILE - view.x0 * view.zoom) * view.ratio) / view.ratio;
    paper.drawImage(tiles.pictures.get(k), x, 0, TILE, view.height);
  }
}

function drawTile(k) {
  const picture = document.createElement("canvas");
  picture.width = TILE * view.ratio;
  picture.height = view.height * view.ratio;
  const [screen, x0, width] = [paper, view.x0, view.width];
  paper = picture.getContext("2d");
  paper.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  // The diagram as if the view began a little before the tile and ended a little behind it.
  const margin = 24;
  Object.assign(view, { x0: (k * TILE - margin) / view.zoom, width: GUTTER + TILE + 2 * margin });
  paper.translate(-GUTTER - margin, 0);
  const seen = visible();
  drawMessages(seen);
  drawEvents(seen);
  Object.assign(view, { x0, width });
  paper = screen;
  return picture;
}

function inView(list, seen) {
  return list.filter((span) => !Number.isNaN(nodes[span.node].y) && span.from <= seen.to && span.to >= seen.from);
}

function drawLines(seen) {
  for (const node of rows) {
    paper.fillStyle = rows.indexOf(node) % 2 ? colours.page : colours.band;
    paper.fillRect(GUTTER, node.top, view.width, node.height);
    line(node.y, GUTTER, view.width, colours.faint, 2, []);
  }
  // What would be narrower than a pixel is merged with what follows.
  let lastEnd = new Map();
  const narrow = (span, x1) => {
    if (x1 - (lastEnd.get(span.node) ?? -9) < 0.7) return true;
    lastEnd.set(span.node, x1);
    return false;
  };
  for (const span of inView(spans.ballots, seen)) {
    const [x0, x1] = [Math.max(GUTTER, xOf(edge(span.from))), Math.min(view.width, xOf(edge(span.to)))];
    if (narrow(span, x1)) continue;
    line(nodes[span.node].y, x0, x1, ballotColour(span.ballot), 4, ballotDash(span.ballot));
    if (x1 - x0 > 44) label(span.text, x0 + 4, nodes[span.node].y + 17, ballotColour(span.ballot));
  }
  lastEnd = new Map();
  for (const span of inView(spans.leads, seen)) {
    const [x0, x1] = [Math.max(GUTTER, xOf(edge(span.from))), Math.min(view.width, xOf(edge(span.to)))];
    if (narrow(span, x1)) continue;
    const y = nodes[span.node].y - 7;
    paper.fillStyle = ballotColour(span.ballot);
    paper.globalAlpha = 0.28;
    paper.fillRect(x0, y, Math.max(1, x1 - x0), 14);
    paper.globalAlpha = 1;
    if (x1 - x0 > 70) label("♛ " + span.text, x0 + 4, y - 3, ballotColour(span.ballot), { weight: "600" });
  }
  for (const span of inView(spans.down, seen)) overlay(span, colours.bad, true);
  for (const span of inView(spans.paused, seen)) overlay(span, colours.dim, true);
  for (const span of inView(spans.failed, seen)) overlay(span, colours.bad, false);
}

function line(y, x0, x1, colour, width, dash) {
  paper.strokeStyle = colour;
  paper.lineWidth = width;
  paper.setLineDash(dash);
  paper.beginPath();
  paper.moveTo(x0, y);
  paper.lineTo(x1, y);
  paper.stroke();
}

// A process that is down leaves a gap, with a dashed edge; a role that is down a dashed line below.
function overlay(span, colour, isWhole) {
  const node = nodes[span.node];
  const [x0, x1] = [Math.max(GUTTER - 1, xOf(edge(span.from))), Math.min(view.width + 1, xOf(edge(span.to)))];
  if (x1 - x0 < 0.5) return;
  const [top, tall] = isWhole ? [node.y - 6, 12] : [node.y + 4, 5];
  paper.fillStyle = colours.page;
  if (isWhole) paper.fillRect(x0, top, x1 - x0, tall);
  paper.strokeStyle = colour;
  paper.lineWidth = 1.2;
  paper.setLineDash([3, 3]);
  paper.strokeRect(x0, top, x1 - x0, tall);
  if (x1 - x0 > 7 * span.text.length + 16) label((isWhole ? "" : "✕ ") + span.text, Math.max(x0, GUTTER) + 5, isWhole ? node.y + 4 : node.y + 20, colour);
}

function drawBars(seen) {
  for (const node of rows) {
    const first = node.y + 8;
    const ends = [];
    for (const bar of node.bars) {
      if (bar.from > seen.to || bar.to < seen.from) continue;
      const [x0, x1] = [Math.max(GUTTER - 4, xOf(edge(bar.from))), Math.min(view.width + 4, xOf(edge(bar.to)))];
      if (bar.part === 0 && x1 - (ends[bar.lane] ?? -9) < 1) continue;
      ends[bar.lane] = x1;
      const y = first + bar.lane * 17 + 1;
      const isBad = bar.part === PART.culprit;
      const width = Math.max(2, x1 - x0);
      paper.globalAlpha = isFaint(bar.from, bar.to) ? 0.25 : 1;
      paper.fillStyle = bar.isFault || isBad ? colours.badband : colours.chip;
      paper.fillRect(x0, y, width, 14);
      paper.strokeStyle = bar.isFault || isBad ? colours.bad : bar.part === PART.evidence ? colours.accent : colours.dim;
      paper.lineWidth = bar.part ? 2 : 1;
      paper.setLineDash(bar.isOpen ? [4, 3] : []);
      paper.strokeRect(x0, y, width, 14);
      const sign = isBad ? "✗ " : bar.part === PART.evidence ? "• " : bar.isFault ? "⚡ " : "";
      const words = sign + bar.text + (bar.outcome ? " → " + bar.outcome : "");
      if (width > 34) clipped(words, Math.max(x0, GUTTER) + 4, y + 11, x1 - Math.max(x0, GUTTER) - 6, bar.isFault || isBad ? colours.bad : colours.ink);
      paper.globalAlpha = 1;
    }
  }
}

function clipped(words, x, y, width, colour) {
  if (width < 14) return;
  paper.font = "11px " + colours.font;
  let cut = words;
  if (paper.measureText(words).width > width) {
    const most = Math.max(1, Math.floor((width / paper.measureText(words).width) * words.length) - 1);
    cut = words.slice(0, most) + "…";
  }
  paper.fillStyle = colour;
  paper.fillText(cut, x, y);
}

const isFaint = (from, to) => chosen.past !== null && !chosen.past[from] && !(to < count && chosen.past[to]);

function drawHistogram(seen) {
  const bins = Math.ceil((view.width - GUTTER) / 2);
  const sums = new Map(rows.map((node) => [node.id, new Uint32Array(bins)]));
  const lit = chosen.past ? new Map(rows.map((node) => [node.id, new Uint8Array(bins)])) : null;
  for (let k = seen.first; k < seen.last; k++) {
    const i = shown[k];
    const bin = Math.floor((xOf(position(i)) - GUTTER) / 2);
    if (bin < 0 || bin >= bins) continue;
    sums.get(E.node[i])[bin]++;
    if (lit && chosen.past[i]) lit.get(E.node[i])[bin] = 1;
  }
  for (const node of rows) {
    const sum = sums.get(node.id);
    const most = Math.min(22, node.height / 2 - 4) - (node.kind === "Replica" ? 0 : 6);
    const heightOf = (bin, isLit) => {
      if (!sum[bin] || (lit ? lit.get(node.id)[bin] : 0) !== isLit) return 0;
      return Math.round(Math.min(most, 3 + 4 * Math.log2(1 + sum[bin])));
    };
    for (const isLit of [0, 1]) {
      paper.fillStyle = isLit ? colours.accent : colours.dim;
      paper.globalAlpha = isLit ? 0.6 : 0.45;
      // Neighbours of the same height are one rectangle. (One path of many rectangles is slow to fill.)
      for (let bin = 0; bin < bins; bin++) {
        const tall = heightOf(bin, isLit);
        if (tall === 0) continue;
        const from = bin;
        while (bin + 1 < bins && heightOf(bin + 1, isLit) === tall) bin++;
        paper.fillRect(GUTTER + from * 2, Math.round(node.y - tall / 2), (bin + 1 - from) * 2, tall);
      }
    }
    paper.globalAlpha = 1;
  }
}

// Where an arrow ends: at its arrivals, and at a cross if a copy is lost.
function arrowEnds(m) {
  const ends = arrivals(m).map((i) => ({ x: xOf(position(i)), isLost: false }));
  const x0 = xOf(position(M.sent[m]));
  if (lostPlace[m] >= 0) ends.push({ x: Math.max(x0 + 14, xOf(edge(lostPlace[m]))), isLost: true });
  if (ends.length === 0) ends.push({ x: x0 + 40, isOpen: true });
  return ends;
}

function drawMessages(seen) {
  const groups = new Map();
  const crosses = [];
  const words = [];
  const from = lowerBound(reach, seen.from);
  const to = upperBound(M.sent, seen.to);
  for (let m = from; m < to; m++) {
    if (!isMessageShown[m] || sender(m) === M.to[m]) continue;
    const [a, b] = [nodes[sender(m)], nodes[M.to[m]]];
    if (Number.isNaN(a.y) || Number.isNaN(b.y)) continue;
    const ballot = string(M.ballot[m]);
    const isLit = !chosen.past || (chosen.past[M.sent[m]] && arrivals(m).some((i) => chosen.past[i]));
    const isChain = chosen.past && arrivals(m).some((i) => chosen.past[i] === 2 && E.cause[i] === M.sent[m]);
    const key = ballot + "|" + (isChain ? 2 : isLit ? 1 : 0);
    if (!groups.has(key)) groups.set(key, { ballot, isLit, isChain, lines: [] });
    const x0 = xOf(position(M.sent[m]));
    for (const end of arrowEnds(m)) {
      if (Math.max(end.x, x0) < GUTTER || Math.min(x0, end.x) > view.width) continue;
      const [y0, y1] = [a.y, end.isLost || end.isOpen ? a.y + (b.y - a.y) * 0.6 : b.y];
      groups.get(key).lines.push(x0, y0, end.x, y1, end.isLost || end.isOpen ? 0 : 1);
      if (end.isLost) crosses.push(end.x, y1, isLit);
      if (isLit) words.push([m, x0, y0, end.x, y1]);
    }
  }
  for (const group of groups.values()) strokeArrows(group);
  drawCrosses(crosses);
  if (words.length <= MOST_LABELS && isLabelled(seen) && view.width > GUTTER + TILE + 48) {
    for (const [m, x0, y0, x1, y1] of words) {
      const colour = M.ballot[m] >= 0 ? ballotColour(string(M.ballot[m])) : colours.dim;
      [0.35, 0.62, 0.82, 0.5].some((part) => {
        const y = y0 + (y1 - y0) * part + 3;
        return rows.every((row) => Math.abs(row.y - y + 4) > 9) && label(about(m), x0 + (x1 - x0) * part + 3, y, colour);
      });
    }
  }
}

function strokeArrows({ ballot, isLit, isChain, lines }) {
  paper.globalAlpha = isLit ? 0.9 : 0.15;
  paper.strokeStyle = paper.fillStyle = ballot ? ballotColour(ballot) : colours.dim;
  paper.lineWidth = isChain ? 3 : 1.2;
  paper.setLineDash(ballot ? ballotDash(ballot) : [1, 3]);
  paper.beginPath();
  for (let k = 0; k < lines.length; k += 5) {
    paper.moveTo(lines[k], lines[k + 1]);
    paper.lineTo(lines[k + 2], lines[k + 3]);
  }
  paper.stroke();
  paper.beginPath();
  for (let k = 0; k < lines.length; k += 5) {
    if (!lines[k + 4]) continue;
    const [dx, dy] = [lines[k + 2] - lines[k], lines[k + 3] - lines[k + 1]];
    const length = Math.hypot(dx, dy) || 1;
    const [ux, uy] = [dx / length, dy / length];
    const [x, y] = [lines[k + 2] - ux * 4, lines[k + 3] - uy * 4];
    paper.moveTo(x, y);
    paper.lineTo(x - ux * 8 - uy * 3.5, y - uy * 8 + ux * 3.5);
    paper.lineTo(x - ux * 8 + uy * 3.5, y - uy * 8 - ux * 3.5);
  }
  paper.fill();
  paper.globalAlpha = 1;
}

function drawCrosses(crosses) {
  paper.setLineDash([]);
  paper.lineWidth = 2;
  paper.strokeStyle = colours.bad;
  for (const isLit of [true, false]) {
    paper.globalAlpha = isLit ? 1 : 0.2;
    paper.beginPath();
    for (let k = 0; k < crosses.length; k += 3) {
      if (crosses[k + 2] !== isLit) continue;
      const [x, y] = [crosses[k], crosses[k + 1]];
      paper.moveTo(x - 4, y - 4);
      paper.lineTo(x + 4, y + 4);
      paper.moveTo(x - 4, y + 4);
      paper.lineTo(x + 4, y - 4);
    }
    paper.stroke();
  }
  paper.globalAlpha = 1;
}
