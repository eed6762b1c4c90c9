// The signs of single events, the violation, the axis, the names, and the strip below the diagram.

// One path for each kind: shapes differ, so that colour is not needed.
function glyph(kind, x, y) {
  if (kind === KIND.Clock) paper.rect(x - 1, y - 5, 2, 10);
  else if (kind === KIND.Sync) paper.rect(x - 3.5, y - 3.5, 7, 7);
  else if (kind === KIND.Start || kind === KIND.Resume || kind === KIND.RoleRestarts) triangle(x, y, 6, 1);
  else if (kind === KIND.Crash || kind === KIND.RoleFails) {
    paper.rect(x - 6, y - 1.5, 12, 3);
    paper.rect(x - 1.5, y - 6, 3, 12);
  } else if (kind === KIND.Pause) {
    paper.rect(x - 4, y - 6, 3, 12);
    paper.rect(x + 1, y - 6, 3, 12);
  } else if (kind === KIND.Call) triangle(x, y, 5, 1);
  else if (kind === KIND.End) triangle(x, y, 5, -1);
  else if (kind === KIND.FaultBegins || kind === KIND.FaultEnds || kind === KIND.Other) diamond(x, y, 5);
  else {
    paper.moveTo(x + 4, y);
    paper.arc(x, y, 4, 0, 7);
  }
}
function triangle(x, y, size, way) {
  paper.moveTo(x - size * way * 0.7, y - size);
  paper.lineTo(x - size * way * 0.7, y + size);
  paper.lineTo(x + size * way, y);
}
function diamond(x, y, size) {
  paper.moveTo(x, y - size);
  paper.lineTo(x + size, y);
  paper.lineTo(x, y + size);
  paper.lineTo(x - size, y);
}

const BAD_KINDS = new Set([KIND.Crash, KIND.RoleFails, KIND.FaultBegins, KIND.Pause]);

function drawEvents(seen) {
  for (const isBad of [false, true]) {
    for (const isLit of [true, false]) {
      paper.fillStyle = isBad ? colours.bad : colours.ink;
      paper.globalAlpha = isLit ? 1 : 0.2;
      paper.beginPath();
      for (let k = seen.first; k < seen.last; k++) {
        const i = shown[k];
        if (BAD_KINDS.has(E.kind[i]) !== isBad || (!chosen.past || chosen.past[i] > 0) !== isLit) continue;
        glyph(E.kind[i], xOf(position(i)), nodes[E.node[i]].y);
      }
      paper.fill();
    }
  }
  paper.globalAlpha = 1;
  if (isLabelled(seen) && view.width > GUTTER + TILE + 48) {
    for (let k = seen.first; k < seen.last; k++) {
      const i = shown[k];
      if (nodes[E.node[i]].kind === "World" && E.kind[i] === KIND.Other) label(eventText(i), xOf(position(i)) + 8, nodes[E.node[i]].y - 4, colours.ink);
      for (const [mark, what] of marksOf(i)) {
        const [x, y] = [xOf(position(i)), nodes[E.node[i]].y - 10];
        if (mark === "Chosen") label("◆ s" + what + " chosen", x - 4, y, colours.good, { weight: "600" });
        if (mark === "Stands") label("stands " + what, x - 4, y, ballotColour(what));
        if (mark === "StepsDown") label("gives up " + what, x - 4, y, ballotColour(what));
      }
    }
  }
}

function drawChosen() {
  for (const [i, size] of [[chosen.hover, 8], [chosen.event, 10]]) {
    if (i < 0 || Number.isNaN(nodes[E.node[i]].y)) continue;
    paper.strokeStyle = colours.accent;
    paper.lineWidth = i === chosen.event ? 3 : 1.5;
    paper.setLineDash([]);
    paper.beginPath();
    paper.arc(xOf(position(i)), nodes[E.node[i]].y, size, 0, 7);
    paper.stroke();
  }
}

function drawViolation(seen) {
  if (chosen.event >= 0) {
    line2(xOf(position(chosen.event)), colours.accent, [2, 3]);
  }
  const found = data.violation;
  if (!found || found.event < 0 || found.event < seen.from || found.event > seen.to) return;
  const x = xOf(position(found.event));
  line2(x, colours.bad, [6, 3]);
  label("✗ " + found.property + " is violated", x > view.width - 130 ? x - 6 : x + 6, AXIS + 12, colours.bad, {
    weight: "700", force: true, align: x > view.width - 130 ? "right" : "left",
  });
}

// Marked events: a line with a flag at its head, each below the one before, so that neighbours can be read.
function drawPointers(seen) {
  pointers.forEach(({ event, names }, place) => {
    if (event < seen.from || event > seen.to) return;
    const x = xOf(position(event));
    line2(x, colours.turn, [10, 4]);
    const isAtEdge = x > view.width - 130;
    label("▼ " + names.join(", "), isAtEdge ? x - 6 : x + 6, AXIS + 26 + 14 * (place % 3), colours.turn, {
      weight: "700", force: true, align: isAtEdge ? "right" : "left",
    });
  });
}

function line2(x, colour, dash) {
  paper.strokeStyle = colour;
  paper.lineWidth = 1.3;
  paper.setLineDash(dash);
  paper.beginPath();
  paper.moveTo(x, AXIS);
  paper.lineTo(x, view.height);
  paper.stroke();
}

function drawAxis(seen) {
  paper.fillStyle = colours.page;
  paper.fillRect(GUTTER, 0, view.width, AXIS - 2);
  paper.font = "11px " + colours.font;
  paper.fillStyle = paper.strokeStyle = colours.dim;
  paper.lineWidth = 1;
  paper.setLineDash([]);
  paper.beginPath();
  if (view.scale === "time") {
    const span = 110 / view.zoom;
    const power = 10 ** Math.floor(Math.log10(span));
    const step = Math.max(1, [1, 2, 5, 10].map((k) => k * power).find((k) => k >= span));
    const digits = Math.max(0, Math.min(6, 6 - Math.floor(Math.log10(step))));
    for (let t = Math.max(0, Math.ceil(seen.left / step) * step); t <= seen.right; t += step) tick(xOf(t), (t / 1e6).toFixed(digits) + " s");
  } else {
    let free = GUTTER;
    for (let k = seen.first, jump = Math.max(1, Math.floor(60 / view.zoom)); k < seen.last; k += jump) {
      const x = xOf(position(shown[k]));
      if (x >= free) {
        tick(x, seconds(time[shown[k]]));
        free = x + 100;
      }
    }
  }
  paper.stroke();
}

function tick(x, words) {
  paper.moveTo(x + 0.5, AXIS - 7);
  paper.lineTo(x + 0.5, AXIS - 2);
  paper.fillText(words, x + 3, AXIS - 9);
}

function drawNames() {
  paper.fillStyle = colours.page;
  paper.fillRect(0, 0, GUTTER, view.height);
  for (const node of rows) {
    paper.fillStyle = rows.indexOf(node) % 2 ? colours.page : colours.band;
    paper.fillRect(0, node.top, GUTTER, node.height);
    paper.fillStyle = colours.ink;
    paper.font = "600 13px " + colours.font;
    paper.fillText(node.name, 10, node.y + 4);
    paper.font = "10px " + colours.font;
    paper.fillStyle = colours.dim;
    if (node.kind !== "World") paper.fillText(node.kind === "Client" ? "client" : "replica", 42, node.y + 4);
  }
}

// The strip shows the whole run and where the diagram is in it.
const strip = document.getElementById("strip");
let stripImage = null;
function drawStrip() {
  const pen = strip.getContext("2d");
  const width = strip.clientWidth, height = strip.clientHeight;
  if (!stripImage) {
    strip.width = width * view.ratio;
    strip.height = height * view.ratio;
    pen.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    pen.fillStyle = colours.band;
    pen.fillRect(0, 0, width, height);
    const bins = new Uint32Array(Math.ceil(width / 2) + 1);
    for (const i of shown) bins[Math.floor((position(i) / lastPosition()) * (width / 2 - 1))]++;
    pen.fillStyle = colours.dim;
    bins.forEach((sum, bin) => sum && pen.fillRect(bin * 2, height - Math.min(height - 6, 2 + 3 * Math.log2(1 + sum)), 2, height));
    const flag = (i, colour, tall) => {
      pen.fillStyle = colour;
      pen.fillRect((position(i) / lastPosition()) * (width - 2), 0, 2, tall);
    };
    for (const span of spans.leads) flag(Math.max(0, span.from), ballotColour(span.ballot), 7);
    for (const fault of faults.keys()) flag(fault, colours.bad, 4);
    for (const { event } of pointers) flag(event, colours.turn, height);
    if (data.violation && data.violation.event >= 0) flag(data.violation.event, colours.bad, height);
    stripImage = document.createElement("canvas");
    stripImage.width = strip.width;
    stripImage.height = strip.height;
    if (strip.width && strip.height) stripImage.getContext("2d").drawImage(strip, 0, 0);
  }
  pen.setTransform(1, 0, 0, 1, 0, 0);
  if (strip.width && strip.height) pen.drawImage(stripImage, 0, 0);
  pen.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  const scale = width / lastPosition();
  const x = Math.max(1, view.x0 * scale);
  const right = Math.min(width - 1, pAt(view.width) * scale);
  pen.strokeStyle = colours.accent;
  pen.lineWidth = 2;
  pen.strokeRect(x, 1, Math.max(4, right - x), height - 2);
}
