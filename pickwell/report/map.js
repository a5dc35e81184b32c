// All rows as points on a canvas; near points look or read alike.
function startMap(canvas, openRow) {
  const context = canvas.getContext("2d");
  const placed = [];
  for (let row = 0; row < N; row++) if (rows.x[row] !== null && rows.y[row] !== null) placed.push(row);
  placed.sort((a, b) => isChosen[a] - isChosen[b]); // the chosen are drawn last, on top
  const hiddenStages = new Set();
  let byCluster = false,
    hovered = null,
    lit = null;
  let view = { scale: 1, x: 0, y: 0 },
    width = 0,
    height = 0;
  const PAD = 22;
  const tip = $("tip");

  const probe = make("i", { hidden: "" });
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const toScreen = (row) => [
    (PAD + rows.x[row] * (width - 2 * PAD) - view.x) * view.scale,
    (PAD + (1 - rows.y[row]) * (height - 2 * PAD) - view.y) * view.scale,
  ];
  const visible = (row) => !hiddenStages.has(text("stage", row));

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    width = canvas.clientWidth;
    height = canvas.clientHeight;
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const colours = new Map(
      STAGES.map((stage) => [stage, colour(stage === "not chosen" ? "--grey" : stageColour(stage))]),
    );
    const [panel, ink] = [colour("--panel"), colour("--ink")];
    const base =
      Math.max(1.6, Math.min(3.6, 170 / Math.sqrt(placed.length + 1))) * Math.min(2, Math.sqrt(view.scale));
    const filtering = filtersOn();
    for (const row of placed) {
      const stage = text("stage", row);
      if (hiddenStages.has(stage)) continue;
      const [x, y] = toScreen(row);
      if (x < -8 || y < -8 || x > width + 8 || y > height + 8) continue;
      const on = lit !== null ? rows.cluster[row] === lit : !filtering || matches[row];
      const chosen = isChosen[row];
      context.globalAlpha = on ? (chosen ? 1 : 0.6) : 0.09;
      context.fillStyle = byCluster ? clusterColour(rows.cluster[row]) : colours.get(stage);
      context.beginPath();
      context.arc(x, y, chosen ? base + 1.9 : base, 0, 7);
      context.fill();
      if (chosen && on) {
        context.lineWidth = 1.3;
        context.strokeStyle = byCluster ? ink : panel;
        context.stroke();
      }
    }
    context.globalAlpha = 1;
    if (hovered !== null) {
      const [x, y] = toScreen(hovered);
      context.lineWidth = 2;
      context.strokeStyle = ink;
      context.beginPath();
      context.arc(x, y, base + 5, 0, 7);
      context.stroke();
    }
  }
  // Drawn at most once a frame, and only while it can be seen.
  let queued = false,
    seen = false,
    stale = true;
  const later = () => {
    stale = true;
    if (seen && !queued) {
      queued = true;
      requestAnimationFrame(() => {
        queued = stale = false;
        draw();
      });
    }
  };
  new IntersectionObserver(
    (entries) => {
      seen = entries[entries.length - 1].isIntersecting;
      if (stale) later();
    },
    { rootMargin: "200px" },
  ).observe(canvas);

  const nearest = (event) => {
    const place = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - place.left, event.clientY - place.top];
    let best = null,
      distance = 14 * 14;
    for (const row of placed) {
      if (!visible(row)) continue;
      const [x, y] = toScreen(row);
      const d = (x - px) ** 2 + (y - py) ** 2;
      if (d <= distance) {
        best = row;
        distance = d;
      }
    }
    return best;
  };
  const zoom = (factor, px = width / 2, py = height / 2) => {
    const scale = Math.min(24, Math.max(1, view.scale * factor));
    view.x += px / view.scale - px / scale;
    view.y += py / view.scale - py / scale;
    view.scale = scale;
    pan(0, 0);
  };
  const pan = (dx, dy) => {
    view.x = Math.min(width - width / view.scale, Math.max(0, view.x - dx / view.scale));
    view.y = Math.min(height - height / view.scale, Math.max(0, view.y - dy / view.scale));
    canvas.style.touchAction = view.scale > 1 ? "none" : "pan-y";
    later();
  };
  let drag = null;
  const hide = () => {
    tip.hidden = true;
    if (hovered !== null) {
      hovered = null;
      later();
    }
    canvas.style.cursor = view.scale > 1 ? "grab" : "";
  };
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag && event.buttons) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      if (drag.moved || Math.hypot(dx, dy) > 4) {
        drag = { x: event.clientX, y: event.clientY, moved: true };
        canvas.setPointerCapture(event.pointerId);
        hide();
        pan(dx, dy);
      }
      return;
    }
    const row = nearest(event);
    if (row === null) return hide();
    if (row !== hovered) {
      hovered = row;
      tip.replaceChildren(
        ...[
          rows.thumbnail[row] >= 0 ? make("span", { class: "thumb" }, picture(row)) : null,
          badge(row),
          make("p", {}, clip(text("response", row) || text("instruction", row) || rows.id[row], 160)),
        ].filter(Boolean),
      );
      canvas.style.cursor = "pointer";
      later();
    }
    tip.hidden = false;
    const [w, h] = [tip.offsetWidth, tip.offsetHeight];
    tip.style.left =
      Math.max(8, event.clientX + 18 + w > innerWidth ? event.clientX - w - 18 : event.clientX + 18) + "px";
    tip.style.top = Math.max(8, Math.min(innerHeight - h - 8, event.clientY + 14)) + "px";
  });
  canvas.addEventListener("pointerup", (event) => {
    const moved = drag?.moved;
    drag = null;
    if (moved) return;
    const row = nearest(event);
    if (row !== null) {
      hide();
      openRow(
        row,
        placed.filter((other) => visible(other) && isChosen[other] === isChosen[row]),
      );
    }
  });
  canvas.addEventListener("pointerleave", () => {
    drag = null;
    hide();
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // plain scrolling stays scrolling
      event.preventDefault();
      const place = canvas.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY / 180), event.clientX - place.left, event.clientY - place.top);
    },
    { passive: false },
  );
  $("zoom-in").addEventListener("click", () => zoom(1.6));
  $("zoom-out").addEventListener("click", () => zoom(1 / 1.6));
  $("zoom-reset").addEventListener("click", () => {
    view = { scale: 1, x: 0, y: 0 };
    pan(0, 0);
  });

  function legend() {
    const element = $("map-legend");
    if (byCluster) {
      element.replaceChildren("Colour is the cluster; the chosen are larger and ringed.");
      return;
    }
    const present = STAGES.filter((stage) => placed.some((row) => text("stage", row) === stage));
    element.replaceChildren(
      ...present.map((stage) =>
        make(
          "button",
          {
            type: "button",
            "aria-pressed": String(!hiddenStages.has(stage)),
            title: "Show or hide",
            onclick: () => {
              hiddenStages.has(stage) ? hiddenStages.delete(stage) : hiddenStages.add(stage);
              legend();
              later();
            },
          },
          make("i", {
            style: { background: `var(${stage === "not chosen" ? "--grey" : stageColour(stage)})` },
          }),
          stage,
        ),
      ),
    );
    if (placed.length < N)
      element.append(
        make("span", { class: "muted" }, `${number(N - placed.length)} ${N - placed.length === 1 ? "row has" : "rows have"} no place on the map`),
      );
  }
  const paint = (cluster) => {
    byCluster = cluster;
    $("by-cluster").setAttribute("aria-pressed", String(cluster));
    $("by-stage").setAttribute("aria-pressed", String(!cluster));
    hiddenStages.clear();
    legend();
    later();
  };
  $("by-cluster").addEventListener("click", () => paint(true));
  $("by-stage").addEventListener("click", () => paint(false));
  new ResizeObserver(later).observe(canvas);
  addEventListener("beforeprint", draw);
  legend();
  return {
    draw: later,
    light: (cluster) => {
      lit = cluster;
      later();
    },
  };
}
