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
        ("hf-reward:/mnt/team/models/rm (key 0a)", "hf-reward:rm (key 0a)"),
        ("reward=hf-reward:/mnt/t/rm/,judge=none", "reward=hf-reward:rm,judge=none"),
        (
            "encoder=open_clip:B-32@~/m/w.pt,reward=hf-reward:./r",
            "encoder=open_clip:B-32@w.pt,reward=hf-reward:r",
        ),
        ("hf-reward:C:\\models\\rm and D:/a/b.png", "hf-reward:rm and b.png"),
        ("open_clip:ViT-B-32/openai, open_clip:hf-hub:a/b@c", None),
        ("openai:m,n@http://127.0.0.1:1/v1?x=1,y=2", None),
        ("zip://a.png::/home/me/a.zip, file:///home/me/b.txt", "zip://a.png::a.zip, file://b.txt"),
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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("score /home/ann/projects/secret/x.json", "score x.json"),
        ("in /home/ann, `/home/ann/x/`; (/data/y z).", "in ann, `x`; (y z)."),
        ("of /home/annabel/secret/x.json", "of x.json"),
        ("https://huggingface.co/datasets/o/n and hf://o/data-set", None),
        ("hf://o/n@main/data/x.png, images/data/x.png", None),
    ],
)
def test_known_folders_go_with_what_is_in_them_and_nothing_else_does(text, shown):
    assert without_local_paths(text, ["/home/ann", "/data"]) == (shown or text)


def test_folders_go_out_of_models_specs_blanks_in_them_or_not():
    specs = {"reward": "hf-reward:/mnt/my team/rm", "encoder": "open_clip:B@../our models/w.pt"}
    models = {"name": f"none,encoder={specs['encoder']},reward={specs['reward']}", "specs": specs}
    assert without_local_paths(models, local_paths(models)) == {
        "name": "none,encoder=open_clip:B@w.pt,reward=hf-reward:rm",
        "specs": {"reward": "hf-reward:rm", "encoder": "open_clip:B@w.pt"},
    }


def test_keys_are_cleaned_and_none_is_lost():
    value = {"/a/x.json": 1, "/b/x.json": {"/c/d": 2}, "none": None}
    expected = {"x.json": 1, "x.json+": {"d": 2}, "none": None}
    assert without_local_paths(value) == expected
    assert list(local_paths(value)) == ["/a/x.json", "/b/x.json", "/c/d"]


PARTS = st.lists(st.text("abcXYZ019_-. é", min_size=1, max_size=8), min_size=2, max_size=4)


@given(PARTS, st.text("ab ,'`", max_size=6))
def test_a_known_path_is_gone_wherever_it_stands(parts, around):
    parts = [part.strip(". ") or "x" for part in parts]
    path = "/" + "/".join(parts)
    cleaned = without_local_paths(f"{around} {path} {around}", [path])
    assert path not in cleaned and parts[-1] in cleaned
