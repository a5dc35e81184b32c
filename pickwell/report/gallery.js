// Cards, a page at a time, and the tools above them.
const badge = (row) => {
  const stage = text("stage", row) || "not known";
  const words = isChosen[row] && rows.rank[row] !== null ? `chosen ${number(rows.rank[row])}` : stage;
  return make("span", { class: "badge" + (isChosen[row] ? " full" : ""), style: { "--c": `var(${stageColour(stage)})` } }, words);
};

const BROKEN = () => drawing("svg", { viewBox: "0 0 28 28", width: 28, height: 28, "aria-hidden": "true", fill: "none", stroke: "currentColor", "stroke-width": 1.6, "stroke-linecap": "round", "stroke-linejoin": "round" },
  drawing("path", { d: "M4 21V6a2 2 0 0 1 2-2h12M24 9v13a2 2 0 0 1-2 2H9M4 20l6-6 4 4M3 3l22 22" }));

// The image, or the words of a text-only row, or why there is no image.
const tile = (row) => {
  if (rows.thumbnail[row] >= 0) return make("div", { class: "tile" }, picture(row, text("image", row) || "Image of " + rows.id[row]));
  const trouble = text("stage", row) === "failed" ? text("note", row) || text("reason", row) || "could not be read" : "";
  const named = text("image", row);
  if (trouble || named) {
    return make("div", { class: "tile none" }, make("p", {}, BROKEN(), trouble || text("note", row) || "This image is not in the page."));
  }
  return make("div", { class: "tile text" }, make("p", {}, clip(text("response", row) || text("instruction", row) || "No text", 260)));
};

// A failed row's tile already tells the reason.
const saidByTile = (row) => rows.thumbnail[row] < 0 && text("stage", row) === "failed" && text("reason", row).includes(text("note", row) || text("reason", row));

// Two strongest scores and the weakest, as percentiles among all rows.
const highlights = (row) => {
  const judged = numeric.map((metric) => [metric, percentile(metric, row)]).filter(([, share]) => share !== null);
  judged.sort((a, b) => b[1] - a[1]);
  return judged.length > 3 ? [judged[0], judged[1], judged[judged.length - 1]] : judged;
};
const gauge = (share) => make("span", { class: "gauge" + (share < 0.25 ? " low" : "") }, make("i", { style: { width: percentWidth(share) } }));
const meter = ([metric, share]) => {
  const label = `${metric.name}: better than ${Math.round(100 * share)} % of all rows`;
  return make("div", { class: "meter", title: label }, make("span", { class: "name" }, metric.name), gauge(share),
    make("span", { class: "pct", "aria-label": label }, String(Math.round(100 * share))));
};

const rivalStrip = (row, openRow) => {
  const rival = rows.rival[row];
  if (rival < 0) return null;
  const words = text("stage", row) === "duplicate" ? "Same as" : "Beaten by";
  const rank = rows.rank[rival] === null ? "" : ` chosen ${number(rows.rank[rival])}`;
  const near = rows.similarity[row] === null ? "" : ` · ${rows.similarity[row].toFixed(2)}`;
  return make("button", { type: "button", class: "rival", title: near ? `Similarity ${number(rows.similarity[row])}` : null, onclick: () => openRow(row) },
    make("span", { class: "thumb" }, rows.thumbnail[rival] >= 0 ? picture(rival) : null),
    make("span", {}, make("span", { class: "head" }, words + rank + near),
      make("span", { class: "body" }, clip(text("response", rival) || rows.id[rival], 120))));
};

function card(row, openRow) {
  const asked = text("instruction", row), answered = text("response", row);
  const textOnly = rows.thumbnail[row] < 0 && !text("image", row) && text("stage", row) !== "failed";
  const quality = rows.quality[row];
  const best = highlights(row);
  return make("article", { class: "card", "data-id": rows.id[row] },
    tile(row),
    make("button", { type: "button", class: "open", "aria-label": `Open ${rows.id[row]}`, onclick: () => openRow(row) }),
    make("div", { class: "card-body" },
      make("div", { class: "card-top" }, badge(row), quality === null ? null : make("span", { class: "quality" }, "quality ", make("b", {}, number(quality)))),
      asked ? make("p", { class: "ask" }, clip(asked, 400)) : null,
      answered && !textOnly ? make("p", { class: "answer" }, clip(answered, 500)) : null,
      text("reason", row) && !saidByTile(row) ? make("p", { class: "why" }, clip(text("reason", row), 300)) : null,
      rivalStrip(row, openRow),
      best.length ? make("div", { class: "meters" }, ...best.map(meter)) : null));
}

function startGallery(openRow) {
  const option = (value, label) => make("option", { value }, label);
  const sort = $("sort");
  sort.append(option("picked", "Order of picking"), option("quality", "Quality"), option("similarity", "Similarity to the rival"), option("row", "Order of the input"));
  if (numeric.length) sort.append(make("optgroup", { label: "Score" }, ...numeric.map((metric, index) => option("m:" + index, metric.name))));
  const tally = (indices) => { const counts = new Map(); for (const index of indices) counts.set(index, (counts.get(index) || 0) + 1); return counts; };
  const sources = tally(rows.source.i);
  $("source").append(option("", "All"), ...rows.source.d.map((name, index) => option(index, `${name} (${number(sources.get(index) || 0)})`)));
  const clusters = tally(rows.cluster);
  $("cluster").append(option("", "All"), ...[...clusters.keys()].filter((key) => key !== null).sort((a, b) => a - b).map((key) => option(key, `${key} (${number(clusters.get(key))})`)));
  $("source").closest("label").hidden = rows.source.d.length < 2;
  $("cluster").closest("label").hidden = clusters.size < 2;
  $("range").hidden = !numeric.length;
  $("range-metric").append(...numeric.map((metric, index) => option(index, metric.name)));

  const bind = (id, key, event = "change") => $(id).addEventListener(event, () => { state[key] = $(id).value; refresh(); });
  bind("search", "query", "input"); bind("source", "source"); bind("cluster", "cluster");
  sort.addEventListener("change", () => { state.sort = sort.value; state.reversed = false; refresh(); });
  $("direction").addEventListener("click", () => { state.reversed = !state.reversed; refresh(); });

  const chosenMetric = () => numeric[Number($("range-metric").value)];
  const hint = () => {
    const metric = chosenMetric();
    if (!metric) return;
    const values = sortedValues(metric);
    const [low, high] = state.ranges.get(metric) || [null, null];
    $("range-from").value = low ?? ""; $("range-to").value = high ?? "";
    $("range-hint").textContent = values.length ? `Values run from ${number(values[0])} to ${number(values[values.length - 1])}. Leave a side empty for no bound.` : "No row has a value.";
  };
  $("range-metric").addEventListener("change", hint);
  $("range").addEventListener("toggle", hint);
  $("range-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const bound = (id) => { const value = parseFloat($(id).value.replace("−", "-")); return Number.isFinite(value) ? value : null; };
    setRange(chosenMetric(), bound("range-from"), bound("range-to"));
    $("range").open = false;
  });
  document.addEventListener("click", (event) => { if (!$("range").contains(event.target)) $("range").open = false; });
  $("range").addEventListener("keydown", (event) => { if (event.key === "Escape") { $("range").open = false; $("range").firstElementChild.focus(); } });

  const clearAll = () => { state.query = state.source = state.cluster = ""; state.ranges.clear(); refresh(); };
  const chips = () => {
    const list = [];
    const chip = (label, drop) => list.push(make("button", { type: "button", "aria-label": `Remove filter ${label}`, onclick: () => { drop(); refresh(); } }, clip(label, 60)));
    if (state.query) chip(`“${state.query}”`, () => (state.query = ""));
    if (state.source !== "") chip(rows.source.d[Number(state.source)], () => (state.source = ""));
    if (state.cluster !== "") chip(`cluster ${state.cluster}`, () => (state.cluster = ""));
    for (const [metric, [low, high]] of state.ranges) {
      const label = low === null ? `${metric.name} up to ${number(high)}` : high === null ? `${metric.name} from ${number(low)}` : `${metric.name} ${number(low)} to ${number(high)}`;
      chip(label, () => state.ranges.delete(metric));
    }
    if (list.length > 1) list.push(make("button", { type: "button", class: "clear", onclick: clearAll }, "Clear all"));
    $("chips").replaceChildren(...list);
  };

  const pages = () => Math.max(1, Math.ceil(shownRows.length / state.size));
  const turn = (to) => {
    state.page = Math.min(pages() - 1, Math.max(0, to));
    draw();
    $("gallery").querySelector(".tools").scrollIntoView({ block: "start" });
  };
  const pager = () => {
    if (pages() === 1) return $("pager").replaceChildren();
    const input = make("input", { type: "text", inputmode: "numeric", "aria-label": "Page", value: number(state.page + 1), onchange: () => turn((parseInt(input.value.replace(/\D/g, ""), 10) || 1) - 1) });
    const step = (label, by, off) => { const button = make("button", { type: "button", onclick: () => turn(state.page + by) }, label); button.disabled = off; return button; };
    $("pager").replaceChildren(step("← Previous", -1, state.page === 0), make("span", {}, "Page ", input, ` of ${number(pages())}`), step("Next →", 1, state.page === pages() - 1));
  };
  const draw = () => {
    const start = state.page * state.size;
    const part = shownRows.slice(start, start + state.size);
    $("cards").replaceChildren(...part.map((row) => card(row, openRow)));
    if (!part.length) {
      const words = filtersOn() ? "No row matches. " : `No row is ${state.stage}.`;
      $("cards").append(make("p", { class: "empty" }, words, filtersOn() ? make("button", { type: "button", class: "quiet", onclick: clearAll }, "Clear the filters") : null));
    }
    pager();
    highlight();
  };
  // Marks what was searched for, without touching the elements (where the browser can).
  const highlight = () => {
    if (!globalThis.Highlight || !CSS.highlights) return;
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean), found = [];
    if (words.length) {
      const walker = document.createTreeWalker($("cards"), NodeFilter.SHOW_TEXT, (node) => (node.parentElement.closest(".ask, .answer, .why, .tile.text") ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP));
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const low = node.data.toLowerCase();
        if (low.length !== node.data.length) continue;
        for (const word of words) {
          for (let at = low.indexOf(word); at >= 0; at = low.indexOf(word, at + word.length)) {
            const range = new Range();
            range.setStart(node, at); range.setEnd(node, at + word.length);
            found.push(range);
          }
        }
      }
    }
    CSS.highlights.set("found", new Highlight(...found));
  };

  const names = [["all", "All"], ...STAGES.map((stage) => [stage, stage[0].toUpperCase() + stage.slice(1)])];
  listeners.push((counts) => {
    $("tabs").replaceChildren(...names.filter(([stage]) => stage === "all" || STAGES.indexOf(stage) < 5 || counts.get(stage)).map(([stage, label]) =>
      make("button", { type: "button", "data-stage": stage, "aria-pressed": String(state.stage === stage), onclick: () => { state.stage = stage; refresh(); $("tabs").querySelector('[aria-pressed="true"]').focus({ preventScroll: true }); } },
        label, make("span", {}, number(counts.get(stage))))));
    const what = state.stage === "all" ? "rows" : state.stage;
    const total = state.stage === "all" ? N : rows.stage.i.filter((index) => rows.stage.d[index] === state.stage).length;
    $("count").textContent = filtersOn() ? `${number(shownRows.length)} of ${number(total)} ${what}` : `${number(total)} ${what}`;
    if ($("search").value !== state.query) $("search").value = state.query;
    $("source").value = state.source; $("cluster").value = state.cluster; $("sort").value = state.sort;
    const [, natural] = sortKey();
    $("direction").textContent = (state.reversed ? -natural : natural) > 0 ? "↑" : "↓";
    chips();
    draw();
  });

  const said = (button, words) => { const before = button.dataset.label || (button.dataset.label = button.textContent); button.textContent = words; setTimeout(() => (button.textContent = before), 1600); };
  const cell = (value) => { const words = value === null || value === undefined ? "" : String(value); return /[",\r\n]/.test(words) ? `"${words.replaceAll('"', '""')}"` : words; };
  $("csv").addEventListener("click", () => {
    const lines = shownRows.map((row) => [rows.id[row], text("stage", row), rows.rank[row], rows.quality[row], rows.cluster[row], text("reason", row)].map(cell).join(","));
    const url = URL.createObjectURL(new Blob(["id,stage,rank,quality,cluster,reason\r\n" + lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    make("a", { href: url, download: "rows.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  });
  $("copy").addEventListener("click", async () => said($("copy"), (await copyText(shownRows.map((row) => rows.id[row]).join("\n"))) ? `${number(shownRows.length)} copied` : "Not allowed here"));
  $("copy-command").addEventListener("click", async () => said($("copy-command"), (await copyText($("command").textContent)) ? "Copied" : "Not allowed"));
}

async function copyText(words) {
  try { await navigator.clipboard.writeText(words); return true; } catch { /* older way below */ }
  const area = make("textarea", { class: "sr", readonly: "" });
  area.value = words;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
