"""No local folder is shown to others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickwell.local_paths import local_paths, without_local_paths


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/data/pairs.json", "pairs.json"),
        ("~/data/pairs.json", "~/data/pairs.json"),
        ("C:\\Users\\me\\pairs.json", "pairs.json"),
        ("read from /home/me/pairs.json, twice", "read from pairs.json, twice"),
        (
            "pickwell score '/home/me/a b/pairs.json' --out /x/run",
            "pickwell score 'pairs.json' --out run",
        ),
        ("see https://example.org/a/b and hf://owner/name@main/x", None),
        ("width/height, and/or, 3/4, images/a.png", None),
        ("data/train-00000.parquet", None),
    ],
)
def test_paths_in_texts(text, shown):
    cleaned = without_local_paths(text, ["/home/me/a b/pairs.json"])
    assert cleaned == (shown or text) or (text.startswith("~") and "me" not in cleaned)


def test_values_are_kept_in_shape():
    value = {"path": "/a/b/c.json", "n": 3, "list": ["/x/y", None, "plain"], "in": {"p": "/q/r s"}}
    expected = {"path": "c.json", "n": 3, "list": ["y", None, "plain"], "in": {"p": "r s"}}
    assert without_local_paths(value) == expected
    assert sorted(local_paths(value)) == ["/a/b/c.json", "/q/r s", "/x/y"]


PARTS = st.lists(st.text("abcXYZ019_-. é", min_size=1, max_size=8), min_size=2, max_size=4)


@given(PARTS, st.text("ab ,'`", max_size=6))
def test_a_known_path_is_gone_wherever_it_stands(parts, around):
    parts = [part.strip(". ") or "x" for part in parts]
    path = "/" + "/".join(parts)
    cleaned = without_local_paths(f"{around} {path} {around}", [path])
    assert path not in cleaned and parts[-1] in cleaned
