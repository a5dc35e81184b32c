// One row with everything about it; arrow keys go on, and the address names the row.
const dialog = $("detail");
let current = null,
  among = [];

const winner = (metric, a, b) => {
  if (a === null || b === null || metric.words || metric.direction === "none" || a === b) return 0;
  return a > b === (metric.direction === "higher") ? 1 : -1;
};

function scoreTable(row, rival) {
  if (!metrics.length) return null;
  const lines = metrics.map((metric) => {
    const value = metric.of(row),
      share = percentile(metric, row);
    const other = rival >= 0 ? metric.of(rival) : null;
    const won = rival >= 0 ? winner(metric, value, other) : 0;
    const arrow = ARROWS[metric.direction];
    return make(
      "tr",
      {},
      make(
        "th",
        { scope: "row", title: metric.about },
        metric.name,
        arrow ? make("span", { class: "dir", title: arrow[1] }, " " + arrow[0]) : null,
      ),
      make("td", { class: "n" + (won > 0 ? " win" : "") }, metric.show(value)),
      rival >= 0 ? make("td", { class: "n" + (won < 0 ? " win" : "") }, metric.show(other)) : null,
      make(
        "td",
        { class: "g" },
        share === null
          ? null
          : make(
              "div",
              { class: "meter", style: { "grid-template-columns": "1fr 24px" } },
              gauge(share),
              make("span", { class: "pct" }, String(Math.round(100 * share))),
            ),
      ),
    );
  });
  return make(
    "table",
    { class: "scores" },
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        make("th", { scope: "col" }, "Score"),
        make("th", { scope: "col", class: "n" }, rival >= 0 ? "This" : "Value"),
        rival >= 0 ? make("th", { scope: "col", class: "n" }, "Rival") : null,
        make("th", { scope: "col" }, "Percentile, 100 is best"),
      ),
    ),
    make("tbody", {}, ...lines),
  );
}

function comparison(row) {
  const rival = rows.rival[row];
  if (rival < 0) {
    const named = rows.rival_name?.[row];
    return named ? make("p", { class: "muted" }, `Its rival ${named} is not on this page.`) : null;
  }
  const duplicate = text("stage", row) === "duplicate";
  const near = rows.similarity[row] === null ? "" : `, similarity ${number(rows.similarity[row])}`;
  const side = (which, label, tag, options) =>
    make(
      tag,
      options,
      tile(which),
      make(
        "span",
        { class: "cap" },
        make("b", {}, label),
        make("span", {}, clip(text("response", which) || rows.id[which], 600)),
      ),
    );
  const rank = rows.rank[rival] === null ? text("stage", rival) : `chosen ${number(rows.rank[rival])}`;
  return make(
    "div",
    {},
    make(
      "h3",
      { style: { "margin-bottom": "10px" } },
      (duplicate ? "Beside the row that stands for it" : "Beside the chosen neighbour that beat it") + near,
    ),
    make(
      "div",
      { class: "compare" },
      side(row, `this, quality ${number(rows.quality[row])}`, "div", {}),
      side(rival, `${rank}, quality ${number(rows.quality[rival])}`, "button", {
        type: "button",
        class: "winner",
        onclick: () => openRow(rival),
      }),
    ),
  );
}

const fact = (label, value) =>
  value === "" || value === null || value === undefined
    ? null
    : make("div", {}, make("dt", {}, label), make("dd", {}, value));
const passage = (label, words, small) =>
  words
    ? make("div", { class: "d-text" + (small ? " small" : "") }, make("h3", {}, label), make("p", {}, words))
    : null;

// A small image is enlarged a little, never to a blur.
const grown = (element) => {
  const image = element.querySelector("img");
  image?.addEventListener("load", () => {
    image.style.setProperty("--own-w", image.naturalWidth);
    image.style.setProperty("--own-h", image.naturalHeight);
  });
  return element;
};

function drawDetail() {
  const row = current;
  const at = among.indexOf(row);
  const go = (by) => {
    if (among[at + by] !== undefined) openRow(among[at + by], among);
  };
  const step = (label, sign, by) => {
    const button = make(
      "button",
      { type: "button", class: "icon", "aria-label": label, title: label, onclick: () => go(by) },
      sign,
    );
    button.disabled = at < 0 || among[at + by] === undefined;
    return button;
  };
  const stage = text("stage", row);
  const rival = rows.rival[row];
  const cluster = rows.cluster[row];
  const body = make(
    "div",
    { class: "d-body", tabindex: "-1" },
    make(
      "div",
      { class: "d-left" },
      grown(tile(row)),
      make(
        "dl",
        { class: "pairs" },
        fact("Image", text("image", row)),
        fact("Source", text("source", row)),
        fact("Quality", rows.quality[row] === null ? "" : number(rows.quality[row])),
        cluster === null
          ? null
          : fact(
              "Cluster",
              make(
                "button",
                {
                  type: "button",
                  style: { "text-decoration": "underline", "text-underline-offset": "3px" },
                  onclick: () => {
                    dialog.close();
                    state.cluster = String(cluster);
                    state.stage = "all";
                    refresh();
                    $("gallery").scrollIntoView();
                  },
                },
                `${cluster}, show its rows`,
              ),
            ),
        fact("Id", rows.id[row]),
      ),
    ),
    make(
      "div",
      { class: "d-right" },
      make(
        "div",
        { class: "verdict-box", style: { "--c": `var(${stageColour(stage)})` } },
        badge(row),
        make("p", {}, text("reason", row) || "No reason was given."),
      ),
      text("note", row) ? passage("Note", text("note", row), true) : null,
      passage("Instruction", text("instruction", row), true),
      passage("Response", text("response", row)),
      comparison(row),
      scoreTable(row, rival),
    ),
  );
  dialog.replaceChildren(
    make(
      "div",
      { class: "d-bar" },
      make("h2", { id: "detail-title", title: rows.id[row] }, rows.id[row]),
      make("span", { class: "where-am-i" }, at < 0 ? "" : `${number(at + 1)} of ${number(among.length)}`),
      step("Previous (left arrow)", "←", -1),
      step("Next (right arrow)", "→", 1),
      make(
        "button",
        {
          type: "button",
          class: "icon",
          "aria-label": "Close",
          title: "Close (Esc)",
          onclick: () => dialog.close(),
        },
        "✕",
      ),
    ),
    body,
  );
  body.focus({ preventScroll: true });
}

function openRow(row, list = null) {
  current = row;
  if (list) among = list;
  else if (!among.includes(row) || !dialog.open) among = shownRows.includes(row) ? shownRows : [row];
  if (!dialog.open) dialog.showModal();
  drawDetail();
  history.replaceState(null, "", "#id=" + encodeURIComponent(wellFormed(rows.id[row])));
}
const wellFormed = (words) => (words.toWellFormed ? words.toWellFormed() : words);

dialog.addEventListener("close", () => {
  const id = current === null ? null : rows.id[current];
  current = null;
  history.replaceState(null, "", location.pathname + location.search);
  for (const element of document.querySelectorAll(".card"))
    if (element.dataset.id === id) element.querySelector(".open").focus({ preventScroll: true });
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  const next = among[among.indexOf(current) + (event.key === "ArrowRight" ? 1 : -1)];
  if (next !== undefined && among.includes(current)) openRow(next, among);
  event.preventDefault();
});

function openFromAddress() {
  if (!location.hash.startsWith("#id=")) return;
  let id;
  try {
    id = decodeURIComponent(location.hash.slice(4));
  } catch {
    return;
  }
  if (rowOf.has(id) && rowOf.get(id) !== current) openRow(rowOf.get(id));
}
