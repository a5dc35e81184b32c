// One small histogram for each column: the chosen over all rows.
const BINS = 30;
const quantile = (values, share) => values[Math.min(values.length - 1, Math.floor(share * values.length))];

// Where the axis begins and ends, and whether it is logarithmic. Long tails are cut and counted.
const axisOf = (values) => {
  let low = values[0],
    high = values[values.length - 1];
  const [q1, middle, q99] = [quantile(values, 0.005), quantile(values, 0.5), quantile(values, 0.995)];
  const log = low > 0 && q99 / middle > 8 && high > 20;
  const [to, from] = log ? [Math.log, Math.exp] : [(value) => value, (value) => value];
  const span = to(q99) - to(q1);
  if (span > 0 && to(high) - to(q99) > 0.4 * span) high = q99;
  if (span > 0 && to(q1) - to(low) > 0.4 * span) low = q1;
  let bins = BINS;
  if (!log && values.every(Number.isInteger) && high - low < BINS) {
    // Small whole numbers: one bar each, centred on its number.
    bins = high - low + 1;
    return { low: low - 0.5, high: high + 0.5, to, from, log, bins, steps: true };
  }
  if (high === low) {
    low -= 0.5;
    high += 0.5;
  }
  return { low, high, to, from, log, bins, steps: false };
};

const binned = (values, axis) => {
  const counts = new Float64Array(axis.bins);
  const [a, b] = [axis.to(axis.low), axis.to(axis.high)];
  for (const value of values) {
    if (value < axis.low || value > axis.high) continue;
    counts[Math.min(axis.bins - 1, Math.floor(((axis.to(value) - a) / (b - a)) * axis.bins))] += 1;
  }
  return counts.map((count) => count / Math.max(1, values.length));
};

// Bars as one outline, on a field of 100 by 100 with its origin at the top left.
const outline = (shares, top, gap) => {
  const width = 100 / shares.length;
  let path = "";
  shares.forEach((share, bin) => {
    if (!share) return;
    const [x, y] = [bin * width + gap / 2, Math.max(0, 100 - (100 * share) / top)];
    path += `M${x.toFixed(2)} 100V${y.toFixed(2)}h${(width - gap).toFixed(2)}V100Z`;
  });
  return path;
};
const skyline = (shares, top) => {
  const width = 100 / shares.length;
  let path = "M0 100";
  shares.forEach(
    (share, bin) =>
      (path += `V${Math.max(0, 100 - (100 * share) / top).toFixed(2)}H${((bin + 1) * width).toFixed(2)}`),
  );
  return path + "V100";
};

const header = (metric) =>
  make(
    "header",
    {},
    make("h3", { title: metric.about || metric.name }, metric.name),
    ARROWS[metric.direction] ? make("span", { class: "dir" }, ARROWS[metric.direction].join(" ")) : null,
  );

const missing = (count) => (count ? `${number(count)} missing` : "");

function categories(metric) {
  const counts = new Map();
  let known = 0,
    knownChosen = 0;
  for (let row = 0; row < N; row++) {
    const value = metric.of(row);
    if (value === null) continue;
    const pair = counts.get(value) || [0, 0];
    pair[0] += 1;
    known += 1;
    if (isChosen[row]) {
      pair[1] += 1;
      knownChosen += 1;
    }
    counts.set(value, pair);
  }
  let list = [...counts].sort((a, b) => (metric.words ? b[1][0] - a[1][0] : a[0] - b[0]));
  if (list.length > 5) {
    const rest = list.slice(4).reduce((sum, [, pair]) => [sum[0] + pair[0], sum[1] + pair[1]], [0, 0]);
    list = [...list.slice(0, 4), [`${list.length - 4} others`, rest]];
  }
  const label = (value) => (typeof value === "string" ? value : metric.show(value));
  const bars = list.map(([value, [all, chosen]]) => {
    const [a, c] = [all / Math.max(1, known), chosen / Math.max(1, knownChosen)];
    return make(
      "div",
      { class: "one" },
      make("span", { class: "name", title: label(value) }, label(value)),
      make(
        "span",
        { class: "pair" },
        make("i", { style: { width: percentWidth(a) } }),
        make("i", { style: { width: percentWidth(c) } }),
      ),
      make("span", { class: "nums" }, percent(a) + " → ", make("b", {}, percent(c))),
    );
  });
  return make(
    "article",
    { class: "histogram" },
    header(metric),
    make("div", { class: "bars-list" }, ...bars),
    make("p", { class: "facts-line" }, missing(N - known)),
  );
}
const percentWidth = (share) => (100 * share).toFixed(2) + "%";

function histogram(metric, onRange) {
  const all = sortedValues(metric);
  if (!all.length) {
    return make(
      "article",
      { class: "histogram" },
      header(metric),
      make("p", { class: "facts-line" }, "No row has a value."),
    );
  }
  const distinct = new Set(all.slice(0, 4000));
  if (all[0] >= 0 && all[all.length - 1] <= 1 && [...distinct].every(Number.isInteger) && distinct.size <= 2)
    return categories(metric);
  const picked = Float64Array.from(
    all.length ? rowsChosen.map(metric.of).filter((value) => value !== null) : [],
  ).sort();
  const axis = axisOf(all);
  const [shares, chosenShares] = [binned(all, axis), binned(picked, axis)];
  // One bar that towers over all others is cut, and its height is written beside it.
  const heights = [...shares].map((share, bin) => Math.max(share, chosenShares[bin]));
  const tallest = heights.indexOf(Math.max(...heights));
  const second = Math.max(0, ...heights.filter((_, bin) => bin !== tallest));
  const cut = heights[tallest] > 0.5 && heights[tallest] > 4 * second;
  const top = cut ? Math.max(0.06, 1.5 * second) : 1.06 * Math.max(heights[tallest], 1e-9);
  const at = (value) =>
    (100 * (axis.to(value) - axis.to(axis.low))) / (axis.to(axis.high) - axis.to(axis.low));
  const back = (share) => axis.from(axis.to(axis.low) + share * (axis.to(axis.high) - axis.to(axis.low)));
  const middle = quantile(all, 0.5),
    middleChosen = picked.length ? quantile(picked, 0.5) : null;
  const rule = (value, kind) =>
    drawing("line", { x1: at(value), x2: at(value), y1: 0, y2: 100, class: "median " + kind });
  const svg = drawing(
    "svg",
    { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawing("path", { d: outline(shares, top, Math.min(0.5, 20 / axis.bins)), class: "all" }),
    drawing("path", { d: picked.length ? skyline(chosenShares, top) : "", class: "picked" }),
    rule(middle, ""),
  );
  if (middleChosen !== null) svg.append(rule(middleChosen, "of-chosen"));
  const kept = make("div", { class: "kept", hidden: "" });
  const box = make("div", { class: "plot-box" }, svg, kept);
  if (cut) {
    const side =
      tallest < axis.bins / 2
        ? { left: `${Math.min(50, (100 * (tallest + 1)) / axis.bins + 1)}%` }
        : { right: `${Math.min(50, 100 - (100 * tallest) / axis.bins + 1)}%` };
    box.append(
      make(
        "span",
        { class: "cut", style: side },
        `${percent(shares[tallest])} → `,
        make("b", {}, percent(chosenShares[tallest])),
        ", bar cut",
      ),
    );
  }

  const beyond = below(all, axis.low, false) + all.length - below(all, axis.high, true);
  const notes = [
    axis.log ? "log axis" : "",
    beyond ? `${number(beyond)} beyond the axis` : "",
    missing(N - all.length),
  ]
    .filter(Boolean)
    .join(", ");
  const line = make("p", { class: "facts-line" });
  const resting = () => {
    line.replaceChildren(`median ${number(middle)}`);
    if (middleChosen !== null) line.append(" → ", make("b", {}, number(middleChosen)));
    if (notes) line.append(" · " + notes);
  };
  resting();
  const ends = axis.steps
    ? [axis.low + 0.5, (axis.low + axis.high) / 2, axis.high - 0.5]
    : [axis.low, back(0.5), axis.high];
  const labels = axis.steps && !Number.isInteger(ends[1]) ? [ends[0], ends[2]] : ends;
  const element = make(
    "article",
    { class: "histogram", "data-metric": metric.name },
    header(metric),
    box,
    make(
      "div",
      { class: "axis", "aria-hidden": "true" },
      ...labels.map((value) => make("span", {}, number(value))),
    ),
    line,
  );

  // Reading a bar, and dragging a range.
  let from = null;
  const shareAt = (event) => {
    const place = box.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - place.left) / place.width));
  };
  const edges = (a, b) => {
    const [low, high] = [Math.min(a, b), Math.max(a, b)];
    const [first, last] = [
      Math.floor(low * axis.bins),
      Math.min(axis.bins - 1, Math.floor(high * axis.bins)),
    ];
    // The outermost bars keep what lies beyond the axis.
    return [
      first === 0 ? null : back(first / axis.bins),
      last === axis.bins - 1 ? null : back((last + 1) / axis.bins),
    ];
  };
  box.addEventListener("pointerdown", (event) => {
    from = shareAt(event);
    box.setPointerCapture(event.pointerId);
  });
  box.addEventListener("pointermove", (event) => {
    const share = shareAt(event);
    const bin = Math.min(axis.bins - 1, Math.floor(share * axis.bins));
    if (from !== null && Math.abs(share - from) > 0.01) mark(...edges(from, share));
    const [a, b] = [back(bin / axis.bins), back((bin + 1) / axis.bins)];
    const label = axis.steps ? number(Math.round(a + 0.5)) : `${number(a)} to ${number(b)}`;
    line.replaceChildren(
      `${label}: ${percent(shares[bin])} of all, `,
      make("b", {}, `${percent(chosenShares[bin])} of chosen`),
    );
  });
  box.addEventListener("pointerup", (event) => {
    const share = shareAt(event);
    if (from !== null && Math.abs(share - from) > 0.01) onRange(metric, ...edges(from, share));
    from = null;
  });
  box.addEventListener("pointercancel", () => {
    from = null;
  });
  box.addEventListener("pointerleave", resting);
  const mark = (low, high) => {
    kept.hidden = low === undefined;
    if (kept.hidden) return;
    const [a, b] = [low === null ? 0 : at(low), high === null ? 100 : at(high)];
    kept.style.left = Math.max(0, a) + "%";
    kept.style.right = Math.max(0, 100 - b) + "%";
  };
  return Object.assign(element, { mark });
}

const rowsChosen = [];
for (let row = 0; row < N; row++) if (isChosen[row]) rowsChosen.push(row);
