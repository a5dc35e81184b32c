// The clusters as a table beside the map, and their colours.

// Hues a golden angle apart, so that neighbours in number differ in colour.
const clusterColour = (cluster) => {
  if (cluster === null || cluster === undefined) return "oklch(0.65 0.01 250)";
  return `oklch(${0.6 + 0.1 * (cluster % 3)} 0.15 ${((cluster * 137.508) % 360).toFixed(1)})`;
};

function startClusters(body, onPick, onHover) {
  const list = [...page.quotas].sort((a, b) => b.size - a.size || a.cluster - b.cluster);
  const lines = list.map((quota) => {
    const row = rowOf.get(String(quota.label ?? "")) ?? null;
    const what = row === null ? "" : text("response", row) || text("instruction", row);
    const name = make(
      "button",
      {
        type: "button",
        class: "cluster-name",
        "aria-pressed": "false",
        onclick: () => onPick(quota.cluster),
      },
      make("span", { class: "swatch", style: { background: clusterColour(quota.cluster) } }),
      make("span", { class: "thumb" }, row !== null && rows.thumbnail[row] >= 0 ? picture(row) : null),
      make(
        "span",
        {},
        make("span", { class: "what" }, what ? clip(what, 80) : `Cluster ${quota.cluster}`),
        what ? make("span", { class: "under" }, `cluster ${quota.cluster}`) : null,
      ),
    );
    const line = make(
      "tr",
      {},
      make("td", {}, name),
      ...["size", "places", "taken"].map((key) => make("td", { class: "n" }, number(quota[key]))),
    );
    line.addEventListener("pointerenter", () => onHover(quota.cluster));
    line.addEventListener("pointerleave", () => onHover(null));
    return line;
  });
  body.replaceChildren(...lines);
  return () =>
    lines.forEach((line, index) => {
      const on = state.cluster !== "" && Number(state.cluster) === list[index].cluster;
      line.classList.toggle("on", on);
      line.querySelector("button").setAttribute("aria-pressed", String(on));
    });
}
