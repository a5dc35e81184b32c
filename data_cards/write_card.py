"""The data card of a selection: what was taken from what, by which numbers, and how to redo it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from data_cards.counted import counted

BY_MODELS = (
    "The numbers are estimates, some by the models named above; none of them is a person's "
    "judgement."
)
BY_RULES = "The numbers come from rules, without a model; none of them is a person's judgement."
LIMITS = (
    "Whether training on these samples beats a random choice of the same size has to be measured.",
    "The licence and the biases of the source hold for every sample taken from it.",
)
"""What is true of every selection."""

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))

_TEMPLATE = """\
---
{{ front_matter }}---
# {{ title }}

{{ chosen }} chosen of {{ read }} in **{{ source.name }}**\
{% if source.path %} ({{ source.path|code }}){% endif %} by
pickwell {{ version }}.

{% if source.how %}
The source was read as {{ source.how }}.

{% endif %}
## Source and licence
{% if source.url %}
- data: {{ source.hub|link(source.url) }}{% if source.revision %}, at commit \
{{ source.revision|code }}{% endif %}

{% endif %}
- licence: {{ licence|code }}{% if licence_link %}, see {{ licence_link|code }}{% endif %}

{% if not licensed %}
- The source states no licence that pickwell could read: find out before passing the samples on.
{% endif %}

## The funnel
| stage | samples |
|---|--:|
| read | {{ read }} |
{% for stage, count in funnel.items() %}
| {{ stage }} | {{ count }} |
{% endfor %}

{% if metrics %}
## What they were measured by
| metric | columns | key |
|---|---|---|
{% for metric in metrics %}
| {{ metric.name }} | {{ metric.columns }} | {{ metric.key|code(cell=True) }} |
{% endfor %}

A key stands for the whole configuration of a metric: equal keys mean equal numbers.

{% endif %}
{% if models %}
## Models
{% for role, model in models.items() %}
- {{ role }}: {{ model }}
{% endfor %}

{% endif %}
{% for table in distributions %}
{% if loop.first %}
## Before and after
{% endif %}
| {{ table.title }} | before | share | chosen | share |
|---|--:|--:|--:|--:|
{% for row in table.rows %}
| {{ row.value }} | {{ row.before|count }} | {{ row.before|share(table.before) }} \
| {{ row.after|count }} | {{ row.after|share(table.after) }} |
{% endfor %}

{% endfor %}
## How they were chosen
{% for name, value in parameters.items() %}
- {{ name }}: {{ value|code }}
{% endfor %}
{% if command %}

The same again:
{{ fence }}sh
{{ command }}
{{ fence }}
{% endif %}

{% if files %}
## Files
| file | what | SHA-256 |
|---|---|---|
{% for file in files %}
| {{ file.name }} | {{ file.what }} | {{ file.sha256|code(cell=True) }} |
{% endfor %}

{% endif %}
## Limits
{% for limit in limits %}
- {{ limit }}
{% endfor %}
"""


def size_category(count: int) -> str:
    """The Hugging Face size category that holds ``count`` samples."""
    return next((name for bound, name in _SIZES if count < bound), "1M<n<10M")


def selection_card(
    *,
    title: str,
    source: Mapping[str, Any],
    read: int,
    chosen: int,
    funnel: Mapping[str, int],
    parameters: Mapping[str, Any],
    version: str,
    metrics: Sequence[Mapping[str, Any]] = (),
    models: Mapping[str, Any] | None = None,
    command: str = "",
    files: Sequence[Mapping[str, str]] = (),
    limits: Sequence[str] | None = None,
    front_matter: Mapping[str, Any] | None = None,
    pickwell: Mapping[str, Any] | None = None,
    distributions: Sequence[Mapping[str, Any]] = (),
    configs: Sequence[Mapping[str, Any]] = (),
    tasks: Sequence[str] = ("image-text-to-text",),
) -> str:
    """Render the data card of a selection.

    Args:
        title: Heading and ``pretty_name``.
        source: ``name``, and if known ``path``, ``how`` (how it was recognised); of data of the
            hub ``hub`` (its name there), ``url`` and ``revision`` (the commit).
        read: Records read.
        chosen: Records chosen.
        funnel: Stage to count, in order (:meth:`selector.selection.Selection.funnel`).
        parameters: Everything that made the choice: method, budget, seed, thresholds.
        version: Version of pickwell.
        metrics: Each with ``name``, ``key`` and ``columns`` (a list of names or a phrase).
        models: Role to model; a mapping (name, revision, ...) is written out.
        command: The command line that makes the same selection again.
        files: Each with ``name``, ``what``, ``sha256``.
        limits: What a reader should beware of, one sentence each; ``None``: what is true of every
            selection.
        front_matter: Front matter of the source's own card; licence, languages and tasks are
            taken over from it.
        pickwell: What our own reader needs to open the chosen records (``format``, ``columns``,
            ``source``, ``images``, ``instruction``).
        distributions: Each with ``title`` and ``rows`` of ``value``, ``before`` (count among all)
            and ``after`` (count among the chosen).
        configs: What ``load_dataset`` opens: ``config_name`` and ``data_files`` each.
        tasks: Task categories of the hub, where the source states none.

    Returns:
        Markdown with YAML front matter that is valid for the Hugging Face hub. Whatever comes
        from outside is escaped (or stands in a code span or fence that it cannot close), so that
        no HTML and no table row can be slipped in.
    """
    import jinja2
    import yaml
    from markupsafe import Markup

    given = dict(front_matter or {})
    front: dict[str, Any] = {
        "pretty_name": title,
        "license": given.get("license", "unknown"),
        **{key: given[key] for key in ("license_name", "license_link", "language") if key in given},
        "task_categories": list(given.get("task_categories") or tasks),
        "size_categories": [size_category(chosen)],
        "tags": ["pickwell", "data-selection"],
    }
    if source.get("hub"):
        front["source_datasets"] = [source["hub"]]
    if configs:
        front["configs"] = [dict(config) for config in configs]
    if pickwell:
        front["pickwell"] = {key: value for key, value in pickwell.items() if value}

    def shown(value: Any) -> Markup:
        return Markup(escaped(_line(value)))  # noqa: S704 (escaped for Markdown)

    def code(value: Any, cell: bool = False) -> Markup:
        return Markup(_code_span(_line(value), cell=cell))  # noqa: S704 (code: shown as it is)

    def link(text: Any, url: str) -> Markup:
        return Markup(f"[{escaped(_line(text))}](<{_url(url)}>)")  # noqa: S704 (escaped)

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True, finalize=lambda v: v if isinstance(v, Markup) else shown(v),
    )  # fmt: skip
    environment.filters |= {"code": code, "count": "{:,}".format, "share": _share}
    environment.filters["link"] = link
    dumped = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)
    return environment.from_string(_TEMPLATE).render(
        front_matter=Markup(dumped),  # noqa: S704 (YAML, not HTML; quoted by the dumper)
        title=title,
        source={"path": "", "how": "", "hub": "", "url": "", "revision": "", **source},
        licence=front["license"],
        licensed=front["license"] not in ("unknown", "", None),
        licence_link=front.get("license_link", ""),
        read=f"{read:,}",
        chosen=counted(chosen, "sample"),
        funnel={stage: f"{count:,}" for stage, count in funnel.items()},
        parameters=parameters,
        version=version,
        metrics=[{"columns": "", **metric} for metric in metrics],
        models={role: _model(model) for role, model in (models or {}).items() if model},
        distributions=[_totalled(table) for table in distributions],
        command=Markup(command),  # noqa: S704 (inside a fence)
        fence=Markup(_fence(command, 3)),  # noqa: S704 (backticks)
        files=[{"what": "", "sha256": "", **file} for file in files],
        limits=[BY_MODELS if models else BY_RULES, *LIMITS] if limits is None else limits,
    )


def escaped(text: str) -> str:
    """Markdown that shows ``text`` as it is: no element, entity, link or table cell comes of it.

    Every character that has a meaning in Markdown gets a backslash, which is not shown; so the
    source stays readable, unlike with HTML entities.
    """
    text = "".join(c if c.isprintable() else "\ufffd" for c in text)
    text = re.sub(r"[\\`*\[\]<>&|~$]", r"\\\g<0>", text)
    text = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)  # inside a word it is none
    # a backslash in the middle keeps an address from becoming a link
    text = re.sub(r"(?i)\b(https?:|ftp:|www)(?=//|\.)", lambda found: found[0] + "\\", text)
    text = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", text)
    return re.sub(r"^[#+\-=]", r"\\\g<0>", text)


def _url(url: str) -> str:
    """An address that ends neither its brackets nor its line."""
    return re.sub(r"[<>\s\\]", "", url) if url.startswith(("http://", "https://")) else ""


def _share(count: int, total: int) -> str:
    return f"{count / total:.0%}" if total else "0%"


def _totalled(table: Mapping[str, Any]) -> dict[str, Any]:
    rows = list(table["rows"])
    totals = {name: sum(row[name] for row in rows) for name in ("before", "after")}
    return {"title": table["title"], "rows": rows, **totals}


def _model(model: Any) -> str:
    """A model in words, whatever is known of it."""
    if isinstance(model, Mapping):
        return ", ".join(f"{name} {_model(value)}" for name, value in model.items() if value)
    return _line(model)


def _line(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        value = [f"{name} {part}" for name, part in value.items()]
    if isinstance(value, list | tuple):
        parts = [str(part) for part in value]
        value = (" " if all(part.endswith(".") for part in parts) else ", ").join(parts)
    return "" if value is None else " ".join(str(value).split())


def _code_span(text: str, *, cell: bool) -> str:
    """Markdown that shows ``text`` as it is: nothing but backticks has a meaning in a code span.

    In a table ``cell`` a pipe has one too, unless a backslash stands before it.
    """
    if not text:
        return "none"
    if cell:
        text = re.sub(r"\\*\|", r"\\|", text)
    fence = _fence(text, 1)
    # One space at either end is not shown, and keeps a backtick of the text off the fence.
    space = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


def _fence(text: str, least: int) -> str:
    """Backticks, at least so many, and more than stand side by side in ``text``."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)
