"""How hub data are named, and what is said when they cannot be had."""

import json
from unittest.mock import Mock

import pytest
from huggingface_hub.errors import RevisionNotFoundError
from hypothesis import given
from hypothesis import strategies as st

from data_cards import hub_source
from data_cards.errors import BadInputError, BadRowError
from data_cards.hub import HubData, HubName, explained, find_named, parse_name, pinned
from data_cards.hub_images import HubImages, fetch, read_member
from data_cards.source import open_source

SHA = "0123456789" * 4
PARTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("hf://owner/name", HubName("owner/name")),
        ("hf://name", HubName("name")),
        ("hf://datasets/owner/name", HubName("owner/name")),
        ("hf://datasets/name", HubName("datasets/name")),
        ("hf://owner/name@v1.0", HubName("owner/name", "v1.0")),
        ("hf://owner/name@refs/pr/1:all", HubName("owner/name", "refs/pr/1", "all")),
        ("hf://owner/name@refs/pr/1/x.json", HubName("owner/name", "refs/pr/1", None, "x.json")),
        (
            "hf://owner/name@refs/convert/parquet/a/0.parquet:a",
            HubName("owner/name", "refs/convert/parquet", "a", "a/0.parquet"),
        ),
        ("hf://owner/name:a b", HubName("owner/name", None, "a b")),
        ("hf://owner/name/sub/a.json", HubName("owner/name", None, None, "sub/a.json")),
        ("hf://owner/name@main/a.json", HubName("owner/name", "main", None, "a.json")),
    ],
)
def test_names(path, expected):
    assert parse_name(path) == expected


@pytest.mark.parametrize("path", ["hf://", "hf://../x", "hf://a b/c", "hf://o/n@", "hf://o/n:"])
def test_what_is_no_name(path):
    with pytest.raises(BadInputError, match="not the name of data"):
        parse_name(path)


@given(PARTS, PARTS, st.none() | PARTS, st.none() | PARTS)
def test_a_name_survives_being_pinned(owner, name, revision, subset):
    path = f"hf://{owner}/{name}"
    path += f"@{revision}" if revision else ""
    path += f":{subset}" if subset else ""
    assert parse_name(pinned(path, SHA)) == HubName(f"{owner}/{name}", SHA, subset)
    assert pinned("pairs.json", SHA) == "pairs.json" and pinned(path, None) == path


def test_a_branch_with_slash_and_dot_is_found_where_the_shorter_one_is_not_there(monkeypatch):
    def find(name):
        asked.append(name.revision)
        if name.revision in there:
            return HubData(name.id, SHA, name.revision)
        raise BadInputError(f"no {name.revision}") from RevisionNotFoundError("", response=Mock())

    monkeypatch.setattr("data_cards.hub.find_data", find)
    there, asked = {"main", "release/v1.0"}, []
    for path, name in (
        ("hf://o/n@main/v1.0", HubName("o/n", "main", None, "v1.0")),
        ("hf://o/n@release/v1.0", HubName("o/n", "release/v1.0")),
        ("hf://o/n@release/v1.0/a/x.json:s", HubName("o/n", "release/v1.0", "s", "a/x.json")),
    ):
        assert find_named(path)[0] == name
    assert asked == ["main", "release", "release/v1.0", "release", "release/v1.0"]
    with pytest.raises(BadInputError, match="no mian"):
        find_named("hf://o/n@mian/x.json")
    with pytest.raises(BadInputError, match="no gone"):
        find_named("hf://o/n@release/v1.0", "gone")
    assert asked[-1] == "gone"


IMAGES = HubImages("owner/name", SHA, "images")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.png", "images/a.png"),
        ("sub/../a.png", "images/a.png"),
        ("../a.png", "a.png"),
        (f"hf://datasets/owner/name@{'9' * 40}/x/a.png", "x/a.png"),
        ("../../a.png", None),
        ("..", None),
        ("/etc/passwd", None),
        ("hf://datasets/owner/other@main/a.png", None),
        ("hf://datasets/owner/name@main/../../a.png", None),
        ("hf://datasets/owner/name@main//etc/passwd", None),
        ("https://example.org/a.png", None),
    ],
)
def test_an_image_name_stays_in_its_repository_at_its_commit(name, path):
    expected = None if path is None else f"hf://datasets/owner/name@{SHA}/{path}"
    assert IMAGES.url(name) == expected


@given(st.text(max_size=40))
def test_no_name_leads_out_of_the_repository(name):
    url = IMAGES.url(name)
    if url is not None:
        prefix = f"hf://datasets/owner/name@{SHA}/"
        assert url.startswith(prefix)
        assert ".." not in url.removeprefix(prefix).split("/")
        assert not url.removeprefix(prefix).startswith("/")


@pytest.mark.parametrize("name", ["C:\\imgs\\x.png", "a\\..\\b.png"])
def test_a_name_that_the_hubs_client_refuses_costs_one_row(name):
    with pytest.raises(BadRowError, match="image not downloaded"):
        fetch(IMAGES.url(name), 1000)


def test_local_files_and_archives_are_those_of_the_repository_in_the_cache(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    home = tmp_path / "datasets--owner--name" / "snapshots" / SHA
    images = HubImages("owner/name", SHA)
    inside, other = f"{home}/a.png", f"{tmp_path}/datasets--owner--other/snapshots/x/a.png"
    assert str(images.local(inside)) == inside
    for name in (other, "/etc/passwd", "a.png", f"{home}/../../../../secret", "/"):
        assert images.local(name) is None, name
        assert images.archive(f"zip://a.png::{name}") is None
    assert str(images.archive(f"zip://a.png::{home}/a.zip")) == f"{home}/a.zip"
    assert images.archive(f"{home}/a.zip") is None


def test_members_of_an_archive(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/a.png", b"x" * 1000)
    (tmp_path / "b.zip").write_bytes(b"no archive")
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("a", b"x" * 100)
    data = bytearray((tmp_path / "d.zip").read_bytes())
    sizes = data.index(b"PK\x01\x02") + 20  # both, as the directory states them
    data[sizes : sizes + 8] = (900).to_bytes(4, "little") * 2
    (tmp_path / "d.zip").write_bytes(data)
    url = f"zip://in/a.png::{tmp_path}/a.zip"
    assert read_member(url, 1000) == b"x" * 1000
    for bad, reason in (
        (url.replace("in/a.png", "none.png"), "missing"),
        (f"zip://a::{tmp_path}/b.zip", "not readable"),
        (f"zip://a::{tmp_path}/c.zip", "not readable"),
        (f"zip://a::{tmp_path}/d.zip", "not readable"),
    ):
        with pytest.raises(BadRowError, match=reason):
            read_member(bad, 1000)
    with pytest.raises(BadRowError, match="too large"):
        read_member(url, 999)


def test_what_the_clients_raise_is_said_in_one_line_each():
    from huggingface_hub.errors import OfflineModeIsEnabled

    wrapped = RuntimeError("outer")
    wrapped.__cause__ = OfflineModeIsEnabled("off")
    said = explained(wrapped, "owner/name")
    assert "offline mode" in said.message and "HF_HUB_OFFLINE" in said.remedy
    assert "no connection" in explained(ConnectionRefusedError(111, "no"), "owner/name").message
    assert explained(KeyError("x"), "owner/name") is None


def test_image_names_are_looked_for_beyond_text_only_records(tmp_path, monkeypatch):
    turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    rows = [{"id": str(i), "conversations": turns} for i in range(150)]
    rows[100:] = [row | {"image": "a.png"} for row in rows[100:]]
    (tmp_path / "mixed.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = open_source(tmp_path / "mixed.jsonl").with_images(None)
    assert hub_source._image_names(source) == ["a.png"] * 32
    monkeypatch.setattr(hub_source, "_READ", 110)
    assert hub_source._image_names(source) == ["a.png"] * 10
    assert len(list(source.samples())) == 150
