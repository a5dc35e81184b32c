"""From bytes to samples: what is a bad request, and what only a bad pair."""

import base64
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickwell.serving.limits import Limits, Refused
from pickwell.serving.requests import JSON, RequestReader

PNG = base64.b64encode(b"\x89PNG").decode()
PAIR = {"id": "a", "instruction": "What?", "response": "A box."}


def read(content, root=None, **limits):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return RequestReader(Limits(**limits), root).samples(body, JSON)


def test_a_pair_alone_and_several():
    (one,) = read(PAIR)
    assert (one.id, one.instruction, one.response, one.error) == ("a", "What?", "A box.", None)
    turns = [
        {"role": "user", "content": "<image>\nWhat?"},
        {"role": "assistant", "content": "A box."},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Yes."},
    ]
    two, three = read({"pairs": [{"turns": turns, "images": [{"data": PNG}] * 2}, PAIR]})
    assert (two.id, two.instruction, two.response) == ("request:0", "What?\nSure?", "A box.\nYes.")
    assert [ref.data for ref in two.images] == [b"\x89PNG"] * 2 and three.id == "a"
    (uri,) = read(PAIR | {"image": {"data": f"data:image/png;base64,{PNG}"}})
    assert uri.images[0].data == b"\x89PNG"


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ({"instruction": "What?"}, "response"),
        ({"response": "A box."}, "instruction"),
        ({"instruction": "What?", "response": " "}, "empty"),
        ({"turns": []}, "empty"),
        ({"turns": [{"role": "user", "content": "What?"}]}, "no response"),
        (PAIR | {"turns": []}, "one of them"),
        (PAIR | {"response": "x" * 3_000}, "text too long (3005 characters, limit 2000)"),
        (PAIR | {"image": {"data": PNG}, "images": []}, "one of them"),
        (PAIR | {"response": "lone \ud800"}, ""),
    ],
)
def test_bad_pairs_keep_their_place(pair, reason):
    if "\ud800" in json.dumps(pair, ensure_ascii=False):
        with pytest.raises(Refused) as refused:
            read({"pairs": [pair]}, max_text=2_000)
        assert refused.value.status == 400
        return
    bad, good = read({"pairs": [pair, PAIR | {"id": "b"}]}, max_text=2_000)
    assert reason in bad.error and good.error is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ({}, "exactly one"),
        ({"data": PNG, "path": "a.png"}, "exactly one"),
        ({"data": "?!"}, "base64"),
        ({"data": "data:image/png;base64,?!"}, "base64"),
        ({"url": "http://example.org/a.png"}, "URL; not fetched"),
        ({"path": "http://example.org/a.png"}, "URL; not fetched"),
        ({"path": "file:///etc/passwd"}, "URL; not fetched"),
        ({"path": "../secret.png"}, "leaves the data root"),
        ({"path": "/etc/passwd"}, "leaves the data root"),
        ({"path": "link.png"}, "leaves the data root"),
        ({"path": "inside/../../secret.png"}, "leaves the data root"),
        ({"path": "a\0.png"}, "null character"),
        ({"path": "x/" * 5_000}, ""),
        ({"path": f"data:image/png;base64,{PNG}"}, "send it as data"),
    ],
)
def test_bad_images(tmp_path, image, reason):
    root = tmp_path / "root"
    (root / "inside").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(b"secret")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (sample,) = read(PAIR | {"image": image}, root)
    error = sample.images[0].error
    assert reason in (error or "") and sample.images[0].data is None
    assert str(tmp_path) not in (error or "")


def test_paths_are_followed_only_below_a_root(tmp_path):
    assert "not followed" in read(PAIR | {"image": {"path": "a.png"}})[0].images[0].error
    found = read(PAIR | {"image": {"path": "a.png"}}, tmp_path)[0].images[0]
    assert found.path == tmp_path.resolve() / "a.png" and found.name == "a.png"


def test_an_id_given_twice():
    first, second = read({"pairs": [PAIR, PAIR]})
    assert first.error is None and second.error == "duplicate id 'a', first at 0"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b'{"pairs": [', 400),
        (b"\xff\xfe", 400),
        (b'{"id": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100_000, 400),
        (b"NaN", 422),
        (b"[]", 422),
        (b"1" * 100_000, 400),
        (b'{"pairs": NaN}', 422),
        (b'{"pairs": []}', 422),
        (b'{"pairs": [1e999]}', 422),
        (b'{"pairs": [%s]}' % (b"1" * 4_000), 422),
        (b'{"id": 5}', 422),
        (b'{"respons": "x"}', 422),
        (b'{"id": ""}', 422),
        (b'{"images": [%s]}' % b",".join([b"{}"] * 17), 422),
        (b'{"pairs": [%s]}' % b",".join([b"{}"] * 65), 422),
        (b"[%s]" % b",".join([b"{}"] * 1_000_000), 413),
    ],
)
def test_bad_requests(body, status):
    with pytest.raises(Refused) as refused:
        read(body)
    assert refused.value.status == status
    assert len(refused.value.message) < 1_000 and "Traceback" not in refused.value.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"respons": "x"}', "(did you mean 'response'?)"),
        (b'{"pairs": [{"image": {"pth": "a"}}]}', "(did you mean 'path'?)"),
        (b'{"turns": [{"rle": "user", "content": "a"}]}', "(did you mean 'role'?)"),
    ],
)
def test_a_misspelt_field_is_answered_with_the_nearest(body, said):
    with pytest.raises(Refused) as refused:
        read(body)
    assert said in refused.value.message


@pytest.mark.parametrize("where", ["{}", '{"pairs": [{}]}', '{"image": {}}', '{"turns": [{}]}'])
def test_many_unknown_keys_cost_little(where):
    keys = ", ".join(f'"k{n}": 0' for n in range(30_000))
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="'k0' is no field") as refused:
            read(where.replace("{}", f"{{{keys}}}").encode())
        assert refused.value.status == 422
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_samples_or_a_refusal(body):
    try:
        samples = read(body)
    except Refused as refused:
        assert 400 <= refused.status < 500
    else:
        assert len(samples) == 1


JSONS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["pairs", "id", "instruction", "response", "turns", "image", "data"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(JSONS)
def test_any_json_is_samples_or_a_refusal(content):
    try:
        read(content)
    except Refused as refused:
        assert refused.status == 422 or "surrogate" in refused.message
