"""The data card of a selection is valid, complete, and cannot be broken by what it quotes."""

from html.parser import HTMLParser

import pytest
from huggingface_hub import DatasetCard, DatasetCardData
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from data_cards.cards import parse_card
from data_cards.write_card import escaped, selection_card, size_category


def card(**changes) -> str:
    given = {
        "title": "200 of the demo pool",
        "source": {"name": "demo_pool", "path": "pool.json", "how": "llava: JSON Lines"},
        "read": 3456,
        "chosen": 200,
        "funnel": {"failed": 6, "floored": 50, "not chosen": 3200, "chosen": 200},
        "parameters": {"method": "clusters", "budget": 200, "seed": 0},
        "version": "0.1.0",
        "metrics": [{"name": "alignment", "key": "0123abcd", "columns": ["alignment", "margin"]}],
        "models": {"encoder": "embedded"},
        "command": "pickwell select run --budget 200 --by 'a|b' > out && echo <done>",
        "files": [{"name": "pool.json", "what": "chosen records", "sha256": "ff" * 32}],
        "front_matter": {"license": "cc0-1.0", "language": ["en"], "task_categories": ["x"]},
        "pickwell": {"format": "llava", "source": "demo_pool", "columns": {"id": "id"}},
    }
    return selection_card(**{**given, **changes})


def test_everything_is_said():
    text = card()
    for words in (
        "200 samples chosen of 3,456 in **demo_pool** (`pool.json`)",
        "| floored | 50 |",
        "| alignment | alignment, margin | `0123abcd` |",
        "- encoder: embedded",
        "- budget: `200`",
        "pickwell select run --budget 200 --by 'a|b' > out && echo <done>",
        f"| pool.json | chosen records | `{'ff' * 32}` |",
        "## Limits",
    ):
        assert words in text
    data = DatasetCard(text).data.to_dict()
    assert data["license"] == "cc0-1.0" and data["size_categories"] == ["n<1K"]
    assert data["language"] == ["en"] and data["pretty_name"] == "200 of the demo pool"


def test_our_own_reader_opens_the_selection_by_it():
    parsed = parse_card(card(), "selection", "README.md")
    assert (parsed.format, parsed.source, parsed.columns) == ("llava", "demo_pool", {"id": "id"})


def test_without_the_optional_parts():
    text = card(metrics=(), models=None, command="", files=(), front_matter=None, pickwell=None)
    assert "## Models" not in text and "```" not in text and "SHA-256" not in text
    assert DatasetCard(text).data.to_dict()["license"] == "unknown"


NASTY = [
    "<script>alert(1)</script>",
    "a & b &lt; c",
    "a | b",
    "x\n---\nlicense: mit\n---",
    "`code`",
    "a `` b ` c ```` <b>",
    "` <script>alert(1)</script> `",
    "{{ 7 * 7 }}",
    "é",
    "it's",
    "- # heading",
    "1. one",
    "**bold** _it_ ~~no~~ a_b_c __x__",
    "[click](javascript:alert(1)) ![x](y)",
    "\\<b> \\* \\\\",
    "https://evil.example www.evil.example <https://evil.example>",
    "&lt;b&gt; &#39;",
]


class Seen(HTMLParser):
    """What a reader of the rendered card sees: elements, and the text of each code span."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.codes: list[str] = []
        self.cells: list[int] = []
        self.text = ""
        self.links: list[str] = []
        self._in_code = False
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(body))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._in_code = tag == "code"
        if tag == "code":
            self.codes.append("")
        if tag == "tr":
            self.cells.append(0)
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")
        if tag in ("td", "th"):
            self.cells[-1] += 1

    def handle_endtag(self, tag: str) -> None:
        self._in_code = self._in_code and tag != "code"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_code:
            self.codes[-1] += data


@pytest.mark.parametrize("nasty", NASTY)
def test_quoted_text_stays_text(nasty):
    text = card(
        title=nasty,
        source={
            "name": nasty,
            "path": nasty,
            "how": nasty,
            "hub": nasty,
            "revision": nasty,
            "url": "https://example.org/data",
        },
        parameters={nasty: nasty},
        metrics=[{"name": nasty, "key": nasty, "columns": [nasty]}],
        models={"encoder": {"name": nasty}},
        distributions=[{"title": nasty, "rows": [{"value": nasty, "before": 4, "after": 1}]}],
        command=nasty,
    )
    data = DatasetCard(text).data.to_dict()
    assert data["license"] == "cc0-1.0" and data["pretty_name"] == nasty
    seen = Seen(text.split("---\n", 2)[2] if "\n---" not in nasty else text[text.index("\n# ") :])
    known = {"h1", "h2", "p", "ul", "li", "code", "pre", "strong"}
    assert seen.tags <= known | {"table", "thead", "tbody", "tr", "th", "td", "a"}
    assert set(seen.cells) == {2, 3, 5}
    line = " ".join(nasty.split())
    codes = [line, line, "cc0-1.0", line, line, f"{nasty}\n", "ff" * 32]
    assert seen.codes == codes  # path, commit, licence, key, value, command, hash
    # title, name, how, hub, metric, columns, model, parameter, distribution
    assert seen.text.count(line) - line.count(line) >= 9
    assert seen.links == ["https://example.org/data"]
    assert ("&#" in text) == ("&#" in nasty) and "&amp;" not in text
    assert "49" not in text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=30))
def test_escaped_text_is_shown_as_it_is(text):
    line = " ".join(text.split())
    shown = Seen(f"| a {escaped(line)} | b |\n|---|---|\n| {escaped(line)} | c |\n")
    printable = "".join(c if c.isprintable() else "\ufffd" for c in line)
    assert shown.cells == [2, 2]
    assert shown.tags <= {"table", "thead", "tbody", "tr", "th", "td"}
    assert " ".join(shown.text.split()) == " ".join(f"a {printable} b {printable} c".split())
    alone = Seen(f"{escaped(line)}\n")
    assert alone.tags <= {"p"} and alone.text.strip() == printable


def test_models_tables_provenance_and_what_load_dataset_opens():
    text = card(
        source={
            "name": "owner/name",
            "hub": "owner/name",
            "url": "https://example.org/datasets/owner/name",
            "revision": "ab" * 20,
        },
        models={"encoder": {"name": "tiny", "revision": "cd" * 20, "none": None}, "judge": None},
        distributions=[
            {
                "title": "source",
                "rows": [
                    {"value": "coco", "before": 3000, "after": 50},
                    {"value": "it's", "before": 1000, "after": 150},
                ],
            }
        ],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": "d.json"}]}],
    )
    for words in (
        f"- data: [owner/name](<https://example.org/datasets/owner/name>), at commit `{'ab' * 20}`",
        "- licence: `cc0-1.0`",
        f"- encoder: name tiny, revision {'cd' * 20}\n",
        "| coco | 3,000 | 75% | 50 | 25% |",
        "| it's | 1,000 | 25% | 150 | 75% |",
    ):
        assert words in text
    assert "- judge" not in text
    data = DatasetCard(text).data
    assert isinstance(data, DatasetCardData)
    given = data.to_dict()
    assert given["configs"][0]["data_files"] == [{"split": "train", "path": "d.json"}]
    assert given["source_datasets"] == ["owner/name"]


def test_a_licence_that_is_not_known_is_said_to_be_unknown():
    text = card(front_matter=None)
    assert "- licence: `unknown`" in text and "find out before" in text


def test_code_is_not_escaped_twice_and_text_is():
    text = card(parameters={"a & b": "<b> & `c`"}, command="a & b")
    assert "- a \\& b: `` <b> & `c` ``" in text
    assert "```sh\na & b\n```" in text


def test_an_empty_value_is_said_in_words():
    for empty in ([], {}, None, ""):
        assert "- floors: none" in card(parameters={"floors": empty})


def test_sentences_stay_sentences_and_lists_lists():
    said = card(parameters={"verdict": ["Better: a.", "Worse: b."], "c": ["d", "e"], "f": {"g": 1}})
    assert "- verdict: `Better: a. Worse: b.`" in said
    assert "- c: `d, e`" in said and "- f: `g 1`" in said


def test_limits_speak_of_models_only_where_there_are_some():
    assert "some by the models named above" in card()
    assert "models named above" not in card(models={}) and "without a model" in card(models={})


def test_a_fence_cannot_be_closed_from_inside():
    text = card(command="x\n```\n# Heading")
    assert text.count("````") == 2
    assert "Heading" in Seen(text).codes[-2]


def test_size_category():
    counts = (999, 1000, 99_999, 100_000, 5_000_000)
    names = ["n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M"]
    assert [size_category(count) for count in counts] == names
