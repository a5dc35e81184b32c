"""The service, asked as its callers ask it."""

import base64
import io
import json
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from starlette.testclient import TestClient

from data_cards import BadInputError
from pickwell.scoring_job import score
from pickwell.warm_scorer import WarmScorer

JSON = {"content-type": "application/json"}


def pair(record, home, by="data"):
    """A LLaVA record as a request says it."""
    asked, said = (turn["value"] for turn in record["conversations"])
    made = {"id": record["id"], "instruction": asked.replace("<image>\n", ""), "response": said}
    if "image" in record:
        data = base64.b64encode((home / record["image"]).read_bytes()).decode()
        made["image"] = {"data": data} if by == "data" else {"path": record["image"]}
    return made


@pytest.fixture(scope="module")
def records(plain):
    return [json.loads(line) for line in plain.new.read_text().splitlines()]


def flat(answer):
    """A pair's answer in the order and form of the ScoreTable."""
    rest = {k: v for k, v in answer.items() if k != "scores"}
    return answer["scores"] | rest


def test_the_numbers_are_those_of_score_like(client, plain, records, tmp_path):
    written = score(plain.new, tmp_path / "new", like=plain.chosen, cache=plain.cache)
    rows = written.scores.to_pylist()
    for by in ("data", "path"):
        pairs = [pair(r, plain.home, by) for r in records]
        for start in (0, 8):
            part = client.post("/score", json={"pairs": pairs[start : start + 8]}).json()["pairs"]
            for got, row in zip(part, rows[start : start + 8], strict=True):
                if row["status"] == "bad" and by == "data":
                    row = row | {"error": got["error"]}  # the picture has no name here
                assert flat(got) == row
    assert {row["status"] for row in rows} == {"ok", "bad"}


def test_a_form_with_a_file(client, plain, records):
    asked = pair(records[0], plain.home)
    one = client.post("/score", json=asked).json()["pairs"]
    file = ("x.png", (plain.home / records[0]["image"]).read_bytes(), "image/png")
    fields = {name: asked[name] for name in ("id", "instruction", "response")}
    form = client.post("/score", data=fields, files={"image": file})
    assert form.status_code == 200 and form.json()["pairs"] == one
    assert client.post("/score", data={"more": "x"}, files={"image": file}).status_code == 422


def test_at_once_as_one_by_one(client, plain, records):
    pairs = [pair(r, plain.home) for r in records]
    alone = [client.post("/score", json=one).json()["pairs"][0] for one in pairs]
    batches = [pairs[n : n + 3] for n in range(0, 12, 3)] * 3
    with ThreadPoolExecutor(len(batches)) as threads:
        asked = threads.map(lambda b: client.post("/score", json={"pairs": b}).json(), batches)
        together = [answer for one in asked for answer in one["pairs"]]
    assert together == alone * 3


def png(width, height, pixels=b""):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (png(60_000, 60_000), "too many pixels"),
        (png(2**31 - 1, 2**31 - 1), "too many pixels"),
        (png(100, 100, b"\0" * 50), "truncated"),
        (b"", "empty"),
        (b"%PDF-1.7", "PDF"),
        (b"<svg onload=alert(1)>", "SVG"),
        (b"\x80\x04K\x01.", "not an image"),
    ],
)
def test_hostile_pictures_are_bad_pairs(client, image, reason):
    data = base64.b64encode(image).decode()
    asked = {"instruction": "What?", "response": "A box."}
    done = client.post("/score", json={"pairs": [asked | {"image": {"data": data}}, asked]})
    bad, good = done.json()["pairs"]
    assert done.status_code == 200 and bad["status"] == "bad" and reason in bad["error"]
    assert bad["quality"] is None and set(bad["scores"].values()) == {None}
    assert good["status"] == "ok"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"pairs": [', JSON, 400),
        (b"[" * 10_000, JSON, 400),
        (b'{"pairs": NaN}', JSON, 422),
        (b"x" * 10_000_000, JSON, 413),
        (b"{}", {}, 415),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"x", {"content-type": "multipart/form-data; boundary=y"}, 400),
        (json.dumps({"pairs": [{}] * 9}).encode(), JSON, 422),
    ],
)
def test_hostile_bodies_are_refused(client, body, headers, status):
    done = client.post("/score", content=body, headers=headers)
    assert done.status_code == status and set(done.json()) == {"error", "remedy"}
    assert "/" not in done.json()["error"].replace("application/json", "").replace(
        "multipart/form-data", ""
    )


def test_a_body_without_a_length_is_measured_as_it_comes(client):
    def chunks():
        for _ in range(40):
            yield b" " * 2**16

    done = client.post("/score", content=chunks(), headers=JSON)
    assert done.status_code == 413


def test_odd_texts(client):
    texts = [
        "nul \0 inside",
        "\u202eright to left",
        "<script>alert(1)</script>",
        "[bold]",
        "x" * 1900,
    ]
    asked = [{"instruction": "What?", "response": text} for text in texts]
    done = client.post("/score", json={"pairs": asked})
    assert done.status_code == 200
    assert [p["status"] for p in done.json()["pairs"]] == ["ok"] * 5


def test_what_it_says_of_itself(client, plain):
    about = client.get("/about").json()
    assert about["reference"]["rows"] == 30 and about["reference"]["picks"] == 12
    manifest = json.loads((plain.run / "run.json").read_text())
    keys = {role: key for role, key in manifest["models"].items() if role != "specs"}
    assert about["models"] == keys and about["specs"] == manifest["models"]["specs"]
    assert about["metrics"] == manifest["metrics"]
    assert about["columns"]["repetition"]["direction"] == "lower"
    assert about["columns"]["repetition"]["range"] == [0.0, 1.0]
    assert about["limits"]["pairs"] == 8
    scored = client.post("/score", json={"instruction": "a", "response": "b"}).json()
    assert set(scored["pairs"][0]["scores"]) == set(about["columns"])
    for path in ("/about", "/openapi.json", "/metrics"):
        assert str(plain.home) not in client.get(path).text
    assert client.get("/docs").status_code == 404 == client.get("/redoc").status_code
    assert client.get("/score").status_code == 405


def test_what_it_counts(serving, plain):
    with serving(max_queue=0) as client:
        client.post("/score", json={"pairs": [{"instruction": "a", "response": "b"}, {}]})
        client.post("/score", content=b"{", headers=JSON)
        text = client.get("/metrics").text
    assert 'pickwell_requests_total{outcome="ok"} 1.0' in text
    assert 'pickwell_requests_total{outcome="refused"} 1.0' in text
    assert "pickwell_pairs_total 2.0" in text and "pickwell_bad_pairs_total 1.0" in text
    assert "pickwell_request_seconds_count 2.0" in text
    assert "pickwell_queue_length 0.0" in text and "pickwell_ready 1.0" in text


class Slow(WarmScorer):
    """Scores when it is let."""

    def __init__(self, opened, cache):
        super().__init__(opened, cache)
        self.let, self.began = threading.Event(), threading.Event()

    def score(self, samples, go_on=lambda: True):
        if any(sample.id == "slow" for sample in samples):
            self.began.set()
            assert self.let.wait(60)
        return super().score(samples, go_on)


@pytest.fixture
def slow(plain):
    from pickwell.like_job import open_like

    return Slow(open_like(plain.run), plain.cache)


SLOW = {"id": "slow", "instruction": "a", "response": "b"}


def test_overload_is_told_and_passes(serving, slow):
    with serving(load=lambda: slow, max_queue=1) as client, ThreadPoolExecutor(2) as threads:
        first = threads.submit(client.post, "/score", json=SLOW)
        assert slow.began.wait(60)
        second = threads.submit(client.post, "/score", json=SLOW | {"id": "later"})
        while "queue_length 2.0" not in client.get("/metrics").text:
            time.sleep(0.02)
        refused = client.post("/score", json=SLOW)
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
        assert client.get("/health").json() == {"live": True, "ready": True}
        slow.let.set()
        assert first.result().status_code == second.result().status_code == 200
        assert client.post("/score", json=SLOW).status_code == 200
        assert 'outcome="busy"} 1.0' in client.get("/metrics").text


def test_no_answer_in_time(serving, slow):
    with serving(load=lambda: slow, answer_seconds=0.3) as client:
        late = client.post("/score", json=SLOW)
        assert late.status_code == 503 and "0.3 seconds" in late.json()["error"]
        slow.let.set()
        until = time.monotonic() + 30
        while client.post("/score", json=SLOW).status_code != 200:
            assert time.monotonic() < until
        assert 'outcome="late"}' in client.get("/metrics").text


def test_before_the_models_are_loaded(make_app, slow):
    loading = threading.Event()

    def load():
        assert loading.wait(60)
        return slow

    app, _ = make_app(load=load)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/health").json() == {"live": True, "ready": False}
        for done in (client.get("/ready"), client.get("/about"), client.post("/score", json=SLOW)):
            assert done.status_code == 503 and "being loaded" in done.json()["error"]
            assert done.headers["retry-after"] == "5"
        loading.set()
        until = time.monotonic() + 60
        while not client.get("/health").json()["ready"]:
            assert time.monotonic() < until
        assert client.get("/ready").status_code == 200


def test_models_that_cannot_be_loaded(make_app):
    told = threading.Event()

    def load():
        raise BadInputError("no", "nothing")

    app, service = make_app(load=load, on_failure=told.set)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert told.wait(60) and isinstance(service.failure, BadInputError)
        assert client.get("/health").json()["ready"] is False


def test_a_failure_says_nothing_of_itself(serving, slow, monkeypatch):
    with serving(load=lambda: slow) as client:
        monkeypatch.setattr(slow, "score", lambda *a: 1 / 0)
        failed = client.post("/score", json=SLOW)
        assert failed.status_code == 500
        assert failed.json() == {"error": "pickwell failed.", "remedy": "Its log says why."}
        monkeypatch.undo()
        slow.let.set()
        assert client.post("/score", json=SLOW).status_code == 200


def test_a_token_opens_the_door(serving):
    with serving(token="s3cret") as client:
        assert client.get("/health").status_code == client.get("/ready").status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"},
                        {"authorization": "Bearer s\u00e9cret".encode("latin-1")}):  # fmt: skip
            for path in ("/about", "/openapi.json"):
                done = client.get(path, headers=headers)
                assert done.status_code == 401 and done.headers["www-authenticate"] == "Bearer"
        assert client.post("/score", json=SLOW).status_code == 401
        right = {"authorization": "Bearer s3cret"}
        assert client.post("/score", json=SLOW, headers=right).status_code == 200
        document = client.get("/openapi.json", headers=right).json()
        assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
        assert document["paths"]["/score"]["post"]["security"] == [{"token": []}]


def test_a_local_service_answers_to_local_names_only(serving):
    with serving(hosts=frozenset({"127.0.0.1", "localhost"})) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/health", headers={"host": "localhost:1"}).status_code == 200
        for host in ("evil.example", "127.0.0.1.evil.example"):
            for path in ("/health", "/openapi.json"):
                assert client.get(path, headers={"host": host}).status_code == 421


def test_real_pictures(client, packages, plain):
    """Icons and screenshots of Debian packages: the same facts as Pillow's."""
    found = [p for p in sorted(packages.rglob("*.png")) if 2_000 < p.stat().st_size < 60_000][:6]
    asked = []
    for path in found:
        data = base64.b64encode(path.read_bytes()).decode()
        asked.append({"instruction": "What?", "response": "An icon.", "image": {"data": data}})
    answers = client.post("/score", json={"pairs": asked}).json()["pairs"]
    for path, answer in zip(found, answers, strict=True):
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            sizes = (answer["scores"]["image_width"], answer["scores"]["image_height"])
            assert answer["status"] == "ok" and sizes == image.size


def test_the_examples_of_the_document_work(client):
    document = client.get("/openapi.json").json()
    body = document["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        done = client.post("/score", json=example["value"])
        assert done.status_code == 200 and done.json()["pairs"][0]["status"] == "ok"
