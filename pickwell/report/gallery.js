// A page of cards at a time, and the tools above them.
function startGallery(openRow) {
  const option = (value, label) => make("option", { value }, label);
  const sort = $("sort");
  sort.append(
    option("picked", "Order of picking"),
    option("quality", "Quality"),
    option("similarity", "Similarity to the rival"),
    option("row", "Order of the input"),
  );
  if (numeric.length)
    sort.append(
      make(
        "optgroup",
        { label: "Score" },
        ...numeric.map((metric, index) => option("m:" + index, metric.name)),
      ),
    );
  const tally = (indices) => {
    const counts = new Map();
    for (const index of indices) counts.set(index, (counts.get(index) || 0) + 1);
    return counts;
  };
  const sources = tally(rows.source.i);
  $("source").append(
    option("", "All"),
    ...rows.source.d.map((name, index) => option(index, `${name} (${number(sources.get(index) || 0)})`)),
  );
  const clusters = tally(rows.cluster);
  $("cluster").append(
    option("", "All"),
    ...[...clusters.keys()]
      .filter((key) => key !== null)
      .sort((a, b) => a - b)
      .map((key) => option(key, `${key} (${number(clusters.get(key))})`)),
  );
  $("source").closest("label").hidden = rows.source.d.length < 2;
  $("cluster").closest("label").hidden = clusters.size < 2;
  $("range").hidden = !numeric.length;
  $("range-metric").append(...numeric.map((metric, index) => option(index, metric.name)));

  const bind = (id, key, event = "change") =>
    $(id).addEventListener(event, () => {
      state[key] = $(id).value;
      refresh();
    });
  bind("search", "query", "input");
  bind("source", "source");
  bind("cluster", "cluster");
  sort.addEventListener("change", () => {
    state.sort = sort.value;
    state.reversed = false;
    refresh();
  });
  $("direction").addEventListener("click", () => {
    state.reversed = !state.reversed;
    refresh();
  });

  const chosenMetric = () => numeric[Number($("range-metric").value)];
  const hint = () => {
    const metric = chosenMetric();
    if (!metric) return;
    const values = sortedValues(metric);
    const [low, high] = state.ranges.get(metric) || [null, null];
    $("range-from").value = low ?? "";
    $("range-to").value = high ?? "";
    $("range-hint").textContent = values.length
      ? `Values run from ${number(values[0])} to ${number(values[values.length - 1])}. Leave a side empty for no bound.`
      : "No row has a value.";
  };
  $("range-metric").addEventListener("change", hint);
  $("range").addEventListener("toggle", hint);
  $("range-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const bound = (id) => {
      const value = parseFloat($(id).value.replace("−", "-"));
      return Number.isFinite(value) ? value : null;
    };
    setRange(chosenMetric(), bound("range-from"), bound("range-to"));
    $("range").open = false;
  });
  document.addEventListener("click", (event) => {
    if (!$("range").contains(event.target)) $("range").open = false;
  });
  $("range").addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      $("range").open = false;
      $("range").firstElementChild.focus();
    }
  });

  const clearAll = () => {
    state.query = state.source = state.cluster = "";
    state.ranges.clear();
    refresh();
  };
  const chips = () => {
    const list = [];
    const chip = (label, drop) =>
      list.push(
        make(
          "button",
          {
            type: "button",
            "aria-label": `Remove filter ${label}`,
            onclick: () => {
              drop();
              refresh();
            },
          },
          clip(label, 60),
        ),
      );
    if (state.query) chip(`“${state.query}”`, () => (state.query = ""));
    if (state.source !== "") chip(rows.source.d[Number(state.source)], () => (state.source = ""));
    if (state.cluster !== "") chip(`cluster ${state.cluster}`, () => (state.cluster = ""));
    for (const [metric, [low, high]] of state.ranges) {
      const label =
        low === null
          ? `${metric.name} up to ${number(high)}`
          : high === null
            ? `${metric.name} from ${number(low)}`
            : `${metric.name} ${number(low)} to ${number(high)}`;
      chip(label, () => state.ranges.delete(metric));
    }
    if (list.length > 1)
      list.push(make("button", { type: "button", class: "clear", onclick: clearAll }, "Clear all"));
    $("chips").replaceChildren(...list);
  };

  const pages = () => Math.max(1, Math.ceil(shownRows.length / state.size));
  const turn = (to) => {
    state.page = Math.min(pages() - 1, Math.max(0, to));
    draw();
    $("gallery").querySelector(".tools").scrollIntoView({ block: "start" });
    $("cards").focus({ preventScroll: true });
  };
  const pager = () => {
    if (pages() === 1) return $("pager").replaceChildren();
    const input = make("input", {
      type: "text",
      inputmode: "numeric",
      "aria-label": "Page",
      value: number(state.page + 1),
      onchange: () => turn((parseInt(input.value.replace(/\D/g, ""), 10) || 1) - 1),
    });
    const step = (label, by, off) => {
      const button = make("button", { type: "button", onclick: () => turn(state.page + by) }, label);
      button.disabled = off;
      return button;
    };
    $("pager").replaceChildren(
      step("← Previous", -1, state.page === 0),
      make("span", {}, "Page ", input, ` of ${number(pages())}`),
      step("Next →", 1, state.page === pages() - 1),
    );
  };
  const draw = () => {
    const start = state.page * state.size;
    const part = shownRows.slice(start, start + state.size);
    $("cards").replaceChildren(...part.map((row) => card(row, openRow)));
    if (!part.length) {
      const words = filtersOn() ? "No row matches. " : `No row is ${state.stage}.`;
      $("cards").append(
        make(
          "p",
          { class: "empty" },
          words,
          filtersOn()
            ? make("button", { type: "button", class: "quiet", onclick: clearAll }, "Clear the filters")
            : null,
        ),
      );
    }
    pager();
    highlight();
  };
  // Marks what was searched for, without touching the elements (where the browser can).
  const highlight = () => {
    if (!globalThis.Highlight || !CSS.highlights) return;
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean),
      found = [];
    if (words.length) {
      const walker = document.createTreeWalker($("cards"), NodeFilter.SHOW_TEXT, (node) =>
        node.parentElement.closest(".ask, .answer, .why, .tile.text")
          ? NodeFilter.FILTER_ACCEPT
          : NodeFilter.FILTER_SKIP,
      );
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const low = node.data.toLowerCase();
        if (low.length !== node.data.length) continue;
        for (const word of words) {
          for (let at = low.indexOf(word); at >= 0; at = low.indexOf(word, at + word.length)) {
            const range = new Range();
            range.setStart(node, at);
            range.setEnd(node, at + word.length);
            found.push(range);
          }
        }
      }
    }
    CSS.highlights.set("found", new Highlight(...found));
  };

  const names = [["all", "All"], ...STAGES.map((stage) => [stage, stage[0].toUpperCase() + stage.slice(1)])];
  listeners.push((counts) => {
    $("tabs").replaceChildren(
      ...names
        .filter(([stage]) => stage === "all" || STAGES.indexOf(stage) < 5 || counts.get(stage))
        .map(([stage, label]) =>
          make(
            "button",
            {
              type: "button",
              "data-stage": stage,
              "aria-pressed": String(state.stage === stage),
              onclick: () => {
                state.stage = stage;
                refresh();
                $("tabs").querySelector('[aria-pressed="true"]').focus({ preventScroll: true });
              },
            },
            label,
            make("span", {}, number(counts.get(stage))),
          ),
        ),
    );
    const what = state.stage === "all" ? "rows" : state.stage;
    const total =
      state.stage === "all" ? N : rows.stage.i.filter((index) => rows.stage.d[index] === state.stage).length;
    $("count").textContent = filtersOn()
      ? `${number(shownRows.length)} of ${number(total)} ${what}`
      : `${number(total)} ${what}`;
    if ($("search").value !== state.query) $("search").value = state.query;
    $("source").value = state.source;
    $("cluster").value = state.cluster;
    $("sort").value = state.sort;
    const [, natural] = sortKey();
    $("direction").textContent = (state.reversed ? -natural : natural) > 0 ? "↑" : "↓";
    chips();
    draw();
  });
}
