"""Images that are addresses: refused by default, fetched once where they are permitted."""

import ipaddress
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pyarrow.parquet as pq
import pytest

import pickwell
from data_cards import downloader


@pytest.fixture
def served(llava):
    """The pictures of the hand-made data on a server on loopback; every path that was asked."""
    asked = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    folder = str(llava.parent)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    rows = [json.loads(line) for line in llava.read_text().splitlines()]
    for row in rows[:10]:
        row["image"] = f"{base}/{row['image']}"
    rows[10]["image"] = rows[0]["image"]
    rows[11]["image"] = f"{base}/images/none.png"
    llava.write_text("".join(json.dumps(row) + "\n" for row in rows))
    yield llava, asked
    server.shutdown()
    server.server_close()


def score(data, out, **options):
    words = {"models": "none", "metrics": ["image_quality", "length"], "cache": out.parent / "c"}
    return pickwell.score(data, out, **words, **options)


def bad_of(run) -> dict[str, str]:
    rows = pq.read_table(run.folder / "scores.parquet").to_pylist()
    return {row["id"]: row["error"] for row in rows if row["status"] == "bad"}


def test_refused_by_default_and_loopback_even_when_permitted(served, tmp_path):
    data, asked = served
    bad = bad_of(score(data, tmp_path / "run"))
    assert set(bad) == {f"p{i}" for i in range(12)}
    assert all("--allow-urls" in reason for reason in bad.values())
    bad = bad_of(score(data, tmp_path / "run", allow_urls=True))
    assert all("not in the public internet" in reason for reason in bad.values())
    assert len(bad) == 12 and not asked


def test_fetched_once_where_permitted(served, tmp_path, monkeypatch):
    data, asked = served
    loopback = [ipaddress.ip_network("127.0.0.1/32")]
    permitting = partial(downloader.Downloader, permit=loopback)
    monkeypatch.setattr(downloader, "Downloader", permitting)
    run = score(data, tmp_path / "run", allow_urls=True)
    bad = bad_of(run)
    assert set(bad) == {"p11"} and "answered 404" in bad["p11"]
    pictures = [path for path in asked if "none" not in path]
    assert sorted(set(pictures)) == sorted(pictures) and len(pictures) == 10
    pickwell.select(run, tmp_path / "picked", budget=60, by="words")
    pushed = pickwell.push(tmp_path / "picked", "owner/x", dry_run=True)
    names = {path for path in pushed.files if path.endswith(".png")}
    assert len(names) == 48  # the files; addresses stay addresses in the records
    asked.clear()
    assert set(bad_of(score(data, tmp_path / "again", allow_urls=True))) == {"p11"}
    assert [path for path in asked if "none" not in path] == []  # from the disk
