// One row as a card: image, words, outcome, reason, rival and scores.
const badge = (row) => {
  const stage = text("stage", row) || "not known";
  const words = isChosen[row] && rows.rank[row] !== null ? `chosen ${number(rows.rank[row])}` : stage;
  return make(
    "span",
    { class: "badge" + (isChosen[row] ? " full" : ""), style: { "--c": `var(${stageColour(stage)})` } },
    words,
  );
};

const BROKEN = () =>
  drawing(
    "svg",
    {
      viewBox: "0 0 28 28",
      width: 28,
      height: 28,
      "aria-hidden": "true",
      fill: "none",
      stroke: "currentColor",
      "stroke-width": 1.6,
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
    },
    drawing("path", { d: "M4 21V6a2 2 0 0 1 2-2h12M24 9v13a2 2 0 0 1-2 2H9M4 20l6-6 4 4M3 3l22 22" }),
  );

// The image, or the words of a text-only row, or why there is no image.
const tile = (row) => {
  if (rows.thumbnail[row] >= 0)
    return make("div", { class: "tile" }, picture(row, text("image", row) || "Image of " + rows.id[row]));
  const trouble =
    text("stage", row) === "failed" ? text("note", row) || text("reason", row) || "could not be read" : "";
  const named = text("image", row);
  if (trouble || named) {
    return make(
      "div",
      { class: "tile none" },
      make("p", {}, BROKEN(), trouble || text("note", row) || "This image is not in the page."),
    );
  }
  return make(
    "div",
    { class: "tile text" },
    make("p", {}, clip(text("response", row) || text("instruction", row) || "No text", 260)),
  );
};

// A failed row's tile already tells the reason.
const saidByTile = (row) =>
  rows.thumbnail[row] < 0 &&
  text("stage", row) === "failed" &&
  text("reason", row).includes(text("note", row) || text("reason", row));

// Two strongest scores and the weakest, as percentiles among all rows.
const highlights = (row) => {
  const judged = numeric
    .map((metric) => [metric, percentile(metric, row)])
    .filter(([, share]) => share !== null);
  judged.sort((a, b) => b[1] - a[1]);
  return judged.length > 3 ? [judged[0], judged[1], judged[judged.length - 1]] : judged;
};
const gauge = (share) =>
  make(
    "span",
    { class: "gauge" + (share < 0.25 ? " low" : "") },
    make("i", { style: { width: percentWidth(share) } }),
  );
const meter = ([metric, share]) => {
  const label = `${metric.name}: better than ${Math.round(100 * share)} % of all rows`;
  return make(
    "div",
    { class: "meter", title: label },
    make("span", { class: "name" }, metric.name),
    gauge(share),
    make("span", { class: "pct", "aria-label": label }, String(Math.round(100 * share))),
  );
};

const rivalStrip = (row, openRow) => {
  const rival = rows.rival[row];
  if (rival < 0) return null;
  const words = text("stage", row) === "duplicate" ? "Same as" : "Beaten by";
  const rank = rows.rank[rival] === null ? "" : ` chosen ${number(rows.rank[rival])}`;
  const near = rows.similarity[row] === null ? "" : ` · ${rows.similarity[row].toFixed(2)}`;
  return make(
    "button",
    {
      type: "button",
      class: "rival",
      title: near ? `Similarity ${number(rows.similarity[row])}` : null,
      onclick: () => openRow(row),
    },
    make("span", { class: "thumb" }, rows.thumbnail[rival] >= 0 ? picture(rival) : null),
    make(
      "span",
      {},
      make("span", { class: "head" }, words + rank + near),
      make("span", { class: "body" }, clip(text("response", rival) || rows.id[rival], 120)),
    ),
  );
};

function card(row, openRow) {
  const asked = text("instruction", row),
    answered = text("response", row);
  const textOnly = rows.thumbnail[row] < 0 && !text("image", row) && text("stage", row) !== "failed";
  const quality = rows.quality[row];
  const best = highlights(row);
  return make(
    "article",
    { class: "card", "data-id": rows.id[row] },
    tile(row),
    make("button", {
      type: "button",
      class: "open",
      "aria-label": `Open ${rows.id[row]}`,
      onclick: () => openRow(row),
    }),
    make(
      "div",
      { class: "card-body" },
      make(
        "div",
        { class: "card-top" },
        badge(row),
        quality === null
          ? null
          : make("span", { class: "quality" }, "quality ", make("b", {}, number(quality))),
      ),
      asked ? make("p", { class: "ask" }, clip(asked, 400)) : null,
      answered && !textOnly ? make("p", { class: "answer" }, clip(answered, 500)) : null,
      text("reason", row) && !saidByTile(row)
        ? make("p", { class: "why" }, clip(text("reason", row), 300))
        : null,
      rivalStrip(row, openRow),
      best.length ? make("div", { class: "meters" }, ...best.map(meter)) : null,
    ),
  );
}
