// Which rows are shown, and in what order. One state; whoever changes it calls refresh().
const state = {
  stage: rowsChosen.length ? "chosen" : "all",
  query: "",
  sort: "picked",
  reversed: false,
  source: "",
  cluster: "",
  ranges: new Map(),
  page: 0,
  size: 24,
};
const matches = new Uint8Array(N); // all filters but the outcome; the map dims the others
let shownRows = []; // row numbers, filtered and sorted
const listeners = [];

let hay = null;
const haystack = () => {
  if (hay) return hay;
  hay = new Array(N);
  for (let row = 0; row < N; row++) {
    hay[row] = [
      rows.id[row],
      text("instruction", row),
      text("response", row),
      text("image", row),
      text("reason", row),
      text("note", row),
    ]
      .join("\n")
      .toLowerCase();
  }
  return hay;
};

const filtersOn = () => Boolean(state.query || state.source || state.cluster !== "" || state.ranges.size);

function match() {
  const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
  const texts = words.length ? haystack() : null;
  const cluster = state.cluster === "" ? null : Number(state.cluster);
  const sourceIndex = state.source === "" ? null : Number(state.source);
  const ranges = [...state.ranges];
  for (let row = 0; row < N; row++) {
    let keep =
      (sourceIndex === null || rows.source.i[row] === sourceIndex) &&
      (cluster === null || rows.cluster[row] === cluster);
    for (let k = 0; keep && k < words.length; k++) keep = texts[row].includes(words[k]);
    for (let k = 0; keep && k < ranges.length; k++) {
      const [metric, [low, high]] = ranges[k];
      const value = metric.of(row);
      keep = value !== null && (low === null || value >= low) && (high === null || value <= high);
    }
    matches[row] = keep ? 1 : 0;
  }
}

// The key to sort by (ascending); missing values come last either way.
function sortKey() {
  if (state.sort === "picked") {
    // Chosen by rank, then the rest by quality.
    const key = new Float64Array(N);
    for (let row = 0; row < N; row++)
      key[row] = rows.rank[row] ?? (rows.quality[row] === null ? NaN : 1e9 - rows.quality[row]);
    return [key, 1];
  }
  if (state.sort === "quality") return [Float64Array.from(rows.quality, (value) => value ?? NaN), -1];
  if (state.sort === "similarity") return [Float64Array.from(rows.similarity, (value) => value ?? NaN), -1];
  if (state.sort === "row") return [Float64Array.from({ length: N }, (_, row) => row), 1];
  const metric = numeric[Number(state.sort.slice(2))];
  const key = new Float64Array(N);
  for (let row = 0; row < N; row++) key[row] = metric.of(row) ?? NaN;
  return [key, metric.direction === "lower" ? 1 : -1];
}

function refresh({ keepPage = false } = {}) {
  match();
  const counts = new Map([["all", 0], ...STAGES.map((stage) => [stage, 0])]);
  const kept = [];
  for (let row = 0; row < N; row++) {
    if (!matches[row]) continue;
    const stage = text("stage", row);
    counts.set("all", counts.get("all") + 1);
    counts.set(stage, counts.get(stage) + 1);
    if (state.stage === "all" || stage === state.stage) kept.push(row);
  }
  const [key, natural] = sortKey();
  const sign = state.reversed ? -natural : natural;
  kept.sort((a, b) => {
    const [x, y] = [key[a], key[b]];
    if (x !== x || y !== y) return (x !== x) - (y !== y) || a - b;
    return sign * (x - y) || a - b;
  });
  shownRows = kept;
  if (!keepPage) state.page = 0;
  for (const listener of listeners) listener(counts);
}

function setRange(metric, low, high) {
  if (low === null && high === null) state.ranges.delete(metric);
  else state.ranges.set(metric, [low, high]);
  refresh();
}
