// What can be taken away: the shown rows as CSV, their ids, the command.
function startExport() {
  const said = (button, words) => {
    const before = button.dataset.label || (button.dataset.label = button.textContent);
    button.textContent = words;
    setTimeout(() => (button.textContent = before), 1600);
  };
  const cell = (value) => {
    const words = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(words) ? `"${words.replaceAll('"', '""')}"` : words;
  };
  $("csv").addEventListener("click", () => {
    const lines = shownRows.map((row) =>
      [
        rows.id[row],
        text("stage", row),
        rows.rank[row],
        rows.quality[row],
        rows.cluster[row],
        text("reason", row),
      ]
        .map(cell)
        .join(","),
    );
    const url = URL.createObjectURL(
      new Blob(["id,stage,rank,quality,cluster,reason\r\n" + lines.join("\r\n") + "\r\n"], {
        type: "text/csv",
      }),
    );
    make("a", { href: url, download: "rows.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  });
  $("copy").addEventListener("click", async () =>
    said(
      $("copy"),
      (await copyText(shownRows.map((row) => rows.id[row]).join("\n")))
        ? `${number(shownRows.length)} copied`
        : "Not allowed here",
    ),
  );
  $("copy-command").addEventListener("click", async () =>
    said($("copy-command"), (await copyText($("command").textContent)) ? "Copied" : "Not allowed"),
  );
}

async function copyText(words) {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    /* older way below */
  }
  const area = make("textarea", { class: "sr", readonly: "" });
  area.value = words;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
