// Puts the parts together.
const theme = $("theme");
const dark = () =>
  (document.documentElement.dataset.theme ||
    (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const setTheme = (name) => {
  document.documentElement.dataset.theme = name;
  map?.draw();
};
let map = null;
theme.addEventListener("click", () => {
  const name = dark() ? "light" : "dark";
  setTheme(name);
  try {
    localStorage.setItem("pickwell-theme", name);
  } catch {
    /* no storage: the choice lasts as long as the page */
  }
});
try {
  const name = localStorage.getItem("pickwell-theme");
  if (name) setTheme(name);
} catch {
  /* as above */
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => map?.draw());

const charts = metrics.map((metric) => (metric.words ? categories(metric) : histogram(metric, setRange)));
$("histograms").append(...charts);
if (!charts.length) $("histograms").append(make("p", { class: "empty" }, "No scores came with these rows."));
listeners.push(() =>
  charts.forEach((chart, index) => chart.mark?.(...(state.ranges.get(metrics[index]) || []))),
);

if ($("map-canvas")) {
  map = startMap($("map-canvas"), openRow);
  listeners.push(() => map.draw());
}
if ($("clusters")) {
  const pick = (cluster) => {
    state.cluster = state.cluster === String(cluster) ? "" : String(cluster);
    refresh();
  };
  listeners.push(startClusters($("clusters"), pick, (cluster) => map?.light(cluster)));
}
startGallery(openRow);
startExport();

for (const button of document.querySelectorAll("[data-show-stage]")) {
  button.addEventListener("click", () => {
    state.stage = STAGES.includes(button.dataset.showStage) ? button.dataset.showStage : "all";
    refresh();
    $("gallery").scrollIntoView();
  });
}

// The first picks with an image, as the face of the selection.
const firstPicks = rowsChosen
  .filter((row) => rows.thumbnail[row] >= 0)
  .sort((a, b) => (rows.rank[a] ?? 1e9) - (rows.rank[b] ?? 1e9))
  .slice(0, 12);
if (firstPicks.length >= 6) {
  $("mosaic").hidden = false;
  $("mosaic").append(
    ...firstPicks.map((row) =>
      make(
        "button",
        {
          type: "button",
          "aria-label": `Open ${rows.id[row]}`,
          title: clip(text("response", row), 90),
          onclick: () => openRow(row, rowsInOrder()),
        },
        picture(row),
      ),
    ),
  );
}
function rowsInOrder() {
  return [...rowsChosen].sort((a, b) => (rows.rank[a] ?? 1e9) - (rows.rank[b] ?? 1e9));
}

document.addEventListener("keydown", (event) => {
  if (
    event.key === "/" &&
    !dialog.open &&
    !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)
  ) {
    event.preventDefault();
    $("search").focus();
  }
});

// Which section is being read, for the bar on top.
const links = new Map([...document.querySelectorAll(".bar nav a")].map((link) => [link.hash.slice(1), link]));
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  },
  { rootMargin: "-25% 0px -70% 0px" },
);
for (const section of document.querySelectorAll("main > section")) watcher.observe(section);

refresh();
addEventListener("hashchange", openFromAddress);
openFromAddress();
document.documentElement.dataset.ready = "true";
performance.mark("pickwell-ready");
