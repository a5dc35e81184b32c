// The rows as columns, and how numbers and texts are shown.
const page = JSON.parse(document.getElementById("data").textContent);
const rows = page.rows;
const N = rows.id.length;
const $ = (id) => document.getElementById(id);

// A text column is its distinct values `d` and one index per row `i`.
const text = (name, row) => {
  const column = rows[name];
  return column && column.i[row] >= 0 ? column.d[column.i[row]] : "";
};

const STAGES = ["chosen", "not chosen", "duplicate", "floored", "failed"];
for (const stage of rows.stage.d) if (!STAGES.includes(stage)) STAGES.push(stage);
const COLOURS = { chosen: "--accent", duplicate: "--duplicate", floored: "--floored", failed: "--failed" };
const stageColour = (stage) => COLOURS[stage] || "--other";
const isChosen = new Uint8Array(N);
for (let row = 0; row < N; row++) isChosen[row] = text("stage", row) === "chosen" ? 1 : 0;
const rowOf = new Map(rows.id.map((id, row) => [id, row]));

const shown = (value) => (typeof value === "string" ? value : number(value));

// Every column of values, the described ones first and in their order.
const about = new Map(page.metrics.map((metric) => [metric.name, metric]));
const names = [...about.keys()].filter((name) => Object.hasOwn(rows.values, name));
for (const name of Object.keys(rows.values)) if (!about.has(name)) names.push(name);
const metrics = names.map((name) => ({
  name,
  about: about.get(name)?.about || "",
  direction: about.get(name)?.direction || "none",
  words: !Array.isArray(rows.values[name]),
  show: rows.flags.includes(name) ? (value) => (value === null ? "–" : value ? "yes" : "no") : shown,
  of: Array.isArray(rows.values[name])
    ? (row) => rows.values[name][row]
    : (row) => (rows.values[name].i[row] < 0 ? null : rows.values[name].d[rows.values[name].i[row]]),
}));
const numeric = metrics.filter((metric) => !metric.words);

// Share of all rows that a value beats (ties count half), 1 = the best; null where not judged.
const sorted = new Map();
const sortedValues = (metric) => {
  if (!sorted.has(metric)) {
    const values = [];
    for (let row = 0; row < N; row++) if (metric.of(row) !== null) values.push(metric.of(row));
    sorted.set(metric, Float64Array.from(values).sort());
  }
  return sorted.get(metric);
};
const below = (values, value, orEqual) => {
  let low = 0,
    high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value || (orEqual && values[middle] === value)) low = middle + 1;
    else high = middle;
  }
  return low;
};
const percentile = (metric, row) => {
  const value = metric.of(row);
  if (value === null || metric.words || metric.direction === "none") return null;
  const values = sortedValues(metric);
  const share = (below(values, value, false) + below(values, value, true)) / 2 / values.length;
  return metric.direction === "lower" ? 1 - share : share;
};

// Thumbnails come in blocks further down the file; those not read yet are filled in when it is.
const blocks = new Map();
const PER_BLOCK = page.per_block;
let waiting = [];
const TYPES = { "/9j/": "jpeg", iVBO: "png", UklG: "webp", R0lG: "gif" };
const source = (place) => {
  const number = Math.floor(place / PER_BLOCK);
  if (!blocks.has(number)) {
    const element = $("thumbnails-" + number);
    if (!element || (document.readyState === "loading" && !element.nextElementSibling)) return null;
    blocks.set(number, JSON.parse(element.textContent));
  }
  const data = blocks.get(number)[place % PER_BLOCK];
  return "data:image/" + (TYPES[data.slice(0, 4)] || "webp") + ";base64," + data;
};
const picture = (row, alt = "") => {
  const image = document.createElement("img");
  image.alt = alt;
  image.decoding = "async";
  const url = source(rows.thumbnail[row]);
  if (url) image.src = url;
  else waiting.push([image, rows.thumbnail[row]]);
  return image;
};
document.addEventListener("DOMContentLoaded", () => {
  for (const [image, place] of waiting) image.src = source(place);
  waiting = [];
});

// Numbers as people read them: thousands separators, about three digits, a real minus.
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const number = (value) => {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  let shown;
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1000) shown = whole.format(value);
  else if (size < 0.001) shown = value.toExponential(1);
  else
    shown = value.toFixed(size >= 100 ? 1 : size < 0.01 ? 4 : Math.min(3, 2 - Math.floor(Math.log10(size))));
  return shown.replace("-", "−");
};
const percent = (share) => {
  const value = 100 * share;
  return (value === 0 || value >= 10 ? value.toFixed(0) : value.toFixed(1)) + " %";
};
const clip = (words, length) => (words.length > length ? words.slice(0, length).trimEnd() + "…" : words);
const ARROWS = { higher: ["↑", "higher is better"], lower: ["↓", "lower is better"] };

// Elements are only ever made of text nodes and attributes; nothing of the data is parsed as HTML.
const make = (tag, options = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(options)) {
    if (value === null || value === undefined) continue;
    if (key === "class") element.className = value;
    else if (key === "style")
      for (const [name, css] of Object.entries(value)) element.style.setProperty(name, css);
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};
const drawing = (tag, attributes, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
