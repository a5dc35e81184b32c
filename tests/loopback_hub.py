"""A Hugging Face hub on loopback, for tests: the endpoints that today's clients really call.

The hub keeps repositories in memory. Put them there from a folder tree
(``ROOT/datasets/OWNER/NAME/...``, ``ROOT/models/OWNER/NAME/...``) or file by file::

    with LoopbackHub() as hub:
        hub.put("datasets", "owner/name", {"data/train.jsonl": b"...", "README.md": b"..."})
        hub.put("models", "owner/clip", folder)          # a folder as well
        subprocess.run([sys.executable, "-m", "pickwell", "score", "hf://owner/name", ...],
                       env=os.environ | hub.environment(tmp_path / "hf_home"))

``huggingface_hub`` reads ``HF_ENDPOINT`` and ``HF_HUB_OFFLINE`` when it is imported, and the suite
sets ``HF_HUB_OFFLINE=1``; so run what talks to the hub in a process of its own, with
:meth:`LoopbackHub.environment`. In this process only ``HfApi(endpoint=hub.url)`` would do, and
that refuses while offline mode is on.

Served: repository info, trees, refs, paths-info, auth-check, ``resolve`` (HEAD, GET, Range, ETag,
X-Repo-Commit), whoami, ``repos/create``, branches, ``validate-yaml``, preupload, LFS batch and
PUT, commit (NDJSON). Errors carry X-Error-Code: RepoNotFound, RevisionNotFound, EntryNotFound,
GatedRepo. Every request is recorded in :attr:`LoopbackHub.requests`. Not served: Xet storage (the
environment turns it off), pull requests, Spaces, the dataset viewer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

WRITER = "hf_loopback_writer"
"""Token of the user ``owner``, who may write below ``owner/`` and is let into gated data."""
READER = "hf_loopback_reader"
"""Token of the user ``reader``, who may write nowhere and is let into nothing."""
USERS = {WRITER: "owner", READER: "reader"}
LFS = (".parquet", ".png", ".jpg", ".jpeg", ".webp", ".safetensors", ".bin", ".arrow", ".tar")
LICENCES = {
    "apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nd-4.0",
    "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0", "odc-by", "odbl", "openrail", "other", "unknown",
}  # fmt: skip
"""Those of the hub's identifiers that tests use; ``validate-yaml`` refuses others."""


@dataclass
class Repo:
    """One repository: every commit that it ever had, and where its branches stand."""

    kind: str
    id: str
    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def files(self) -> dict[str, bytes]:
        """Path to content on ``main``."""
        return self.commits[self.branches["main"]]

    def commit(self, files: dict[str, bytes], branch: str = "main", message: str = "") -> str:
        """Make ``files`` the whole content of ``branch``; gives the commit's hash."""
        text = [f"{self.id} {branch} {len(self.commits)} {message}"]
        text += [f"{path} {blob_id(data)}" for path, data in sorted(files.items())]
        sha = hashlib.sha1("\n".join(text).encode()).hexdigest()
        self.commits[sha] = dict(files)
        self.branches[branch] = sha
        self.messages.append(message)
        return sha

    def find(self, revision: str) -> str | None:
        """The commit that a branch, a hash or the beginning of one means."""
        if revision in self.branches:
            return self.branches[revision]
        found = [sha for sha in self.commits if len(revision) >= 7 and sha.startswith(revision)]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int


class LoopbackHub:
    """The hub; a context manager that serves while it is open.

    Attributes:
        url: Where it listens, for ``HF_ENDPOINT``.
        repos: (kind, id) to repository; kind is ``datasets`` or ``models``.
        requests: Every request so far, in order of completion.
        failing: (pattern of ``METHOD path``, status): such requests are answered with the status.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.stored: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.failing: list[tuple[str, int]] = []
        for kind in ("datasets", "models"):
            for folder in sorted((root / kind).glob("*/*")) if root else ():
                if folder.is_dir():
                    self.put(kind, f"{folder.parent.name}/{folder.name}", folder)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.hub = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> LoopbackHub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(
        self,
        kind: str,
        id: str,
        content: Path | Mapping[str, bytes | str],
        *,
        private: bool = False,
        gated: bool = False,
        message: str = "put",
    ) -> str:
        """Make ``content`` (a folder, or path to bytes) the newest commit of a repository.

        Returns:
            The commit's hash; earlier commits stay readable by theirs.
        """
        repo = self.repos.setdefault((kind, id), Repo(kind, id))
        repo.private, repo.gated = private, gated
        if isinstance(content, Path):
            paths = sorted(path for path in content.rglob("*") if path.is_file())
            files = {path.relative_to(content).as_posix(): path.read_bytes() for path in paths}
        else:
            files = {p: d.encode() if isinstance(d, str) else d for p, d in content.items()}
        return repo.commit(files, message=message)

    def environment(self, home: Path, token: str | None = None) -> dict[str, str]:
        """Variables with which a process of its own talks to this hub and to no other."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": token or "",
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def asked(self, pattern: str) -> list[Request]:
        """Requests whose ``METHOD path`` matches a regular expression."""
        return [r for r in self.requests if re.search(pattern, f"{r.method} {r.path}")]


def blob_id(data: bytes) -> str:
    """Git's hash of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message or code


_ID = r"(?P<id>[\w.-]+(?:/[\w.-]+)?)"
_API = rf"/api/(?P<kind>datasets|models)/{_ID}"
_ROUTES = [
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate"),
    ("GET", rf"{_API}/auth-check", "auth_check"),
    ("GET", rf"{_API}/refs", "refs"),
    ("GET", rf"{_API}/revision/(?P<revision>[^/]+)", "info"),
    ("GET", rf"{_API}/tree/(?P<revision>[^/]+)(?:/(?P<path>.*))?", "tree"),
    ("POST", rf"{_API}/paths-info/(?P<revision>[^/]+)", "paths_info"),
    ("POST", rf"{_API}/preupload/(?P<revision>[^/]+)", "preupload"),
    ("POST", rf"{_API}/commit/(?P<revision>[^/]+)", "commit"),
    ("POST", rf"{_API}/branch/(?P<revision>[^/]+)", "branch"),
    ("GET", _API, "info"),
    ("POST", rf"/(?P<kind>datasets/)?{_ID}\.git/info/lfs/objects/batch", "lfs_batch"),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", "lfs_put"),
    ("GET", rf"/(?P<kind>datasets/)?{_ID}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> LoopbackHub:
        return self.server.hub  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        """Say nothing: requests are recorded."""

    def _handle(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        method = "GET" if self.command == "HEAD" else self.command
        place = urlsplit(self.path)
        self.query = parse_qs(place.query)
        try:
            self._known = self.user  # as the real hub: a token that it does not know is refused
            for pattern, status in self.hub.failing:
                if re.search(pattern, f"{self.command} {self.path}"):
                    raise _Refused(status, message="made to fail")
            for verb, route, name in _ROUTES:
                found = re.fullmatch(route, place.path)
                if verb == method and found:
                    words = {k: unquote(v) if v else "" for k, v in found.groupdict().items()}
                    getattr(self, f"_{name}")(**words)
                    return
            raise _Refused(404, message=f"no such endpoint: {method} {place.path}")
        except _Refused as refused:
            headers = {"X-Error-Message": refused.message}
            if refused.code:
                headers["X-Error-Code"] = refused.code
            self._send({"error": refused.message}, refused.status, headers)

    do_GET = do_HEAD = do_POST = do_PUT = _handle

    def _send(
        self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.hub.requests.append(
            Request(self.command, self.path, dict(self.headers), self.body, status)
        )
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
        given = {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    @property
    def user(self) -> str | None:
        """Who asks; ``None`` without a token."""
        given = self.headers.get("Authorization", "")
        if not given:
            return None
        user = USERS.get(given.removeprefix("Bearer "))
        if user is None:
            raise _Refused(401, message="Invalid credentials in Authorization header")
        return user

    def _repo(self, kind: str, id: str) -> Repo:
        repo = self.hub.repos.get((kind, id))
        if repo is None or (repo.private and self.user != repo.id.split("/")[0]):
            # as the real hub: who is not logged in does not learn whether there is one
            raise _Refused(404 if self.user else 401, "RepoNotFound", "Repository not found")
        return repo

    def _at(self, kind: str, id: str, revision: str) -> tuple[Repo, str, dict[str, bytes]]:
        repo = self._repo(kind, id)
        sha = repo.find(revision)
        if sha is None:
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repo, sha, repo.commits[sha]

    def _let_in(self, repo: Repo) -> None:
        if repo.gated and self.user != repo.id.split("/")[0]:
            status = 403 if self.user else 401
            raise _Refused(status, "GatedRepo", f"Access to {repo.kind}/{repo.id} is restricted")

    def _writable(self, kind: str, id: str) -> Repo:
        repo = self._repo(kind, id)
        if self.user is None:
            raise _Refused(401, message="Invalid username or password.")
        if self.user != id.split("/")[0]:
            raise _Refused(403, message="You don't have the required permissions")
        return repo

    def _whoami(self) -> None:
        if self.user is None:
            raise _Refused(401, message="Invalid username or password.")
        role = "write" if self.user == "owner" else "read"
        token = {"accessToken": {"displayName": "test", "role": role}}
        self._send({"type": "user", "name": self.user, "orgs": [], "auth": token})

    def _create(self) -> None:
        asked = json.loads(self.body)
        if self.user is None:
            raise _Refused(401, message="Invalid username or password.")
        owner = asked.get("organization") or self.user
        if self.user != owner or self.user == "reader":
            said = f"You don't have the rights to create a repo under the namespace {owner!r}"
            raise _Refused(403, message=said)
        kind, id = f"{asked.get('type') or 'model'}s", f"{owner}/{asked['name']}"
        url = f"{self.hub.url}/{'' if kind == 'models' else kind + '/'}{id}"
        if (kind, id) in self.hub.repos:
            self._send({"error": "You already created this repo", "url": url}, 409)
            return
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        repo = self.hub.repos[kind, id] = Repo(kind, id, private=private)
        repo.commit({".gitattributes": b"*.parquet filter=lfs\n"}, message="initial commit")
        self._send({"url": url, "name": id, "id": id})

    def _branch(self, kind: str, id: str, revision: str) -> None:
        repo = self._writable(kind, id)
        if revision in repo.branches:
            raise _Refused(409, message="Reference already exists")
        asked = json.loads(self.body or b"{}")
        repo.branches[revision] = repo.find(asked.get("startingPoint") or "main") or ""
        self._send({})

    def _validate(self) -> None:
        import yaml

        asked = json.loads(self.body)
        errors = []
        try:
            front = yaml.safe_load(asked["content"].split("---\n")[1]) or {}
        except (IndexError, yaml.YAMLError) as error:
            front, errors = {}, [{"message": f"YAML: {error}"}]
        if front.get("license", "unknown") not in LICENCES:
            errors.append({"message": '"license" must be one of the known identifiers'})
        for entry in front.get("configs") or []:
            if not isinstance(entry.get("config_name"), str) or not entry.get("data_files"):
                errors.append({"message": '"configs" needs config_name and data_files'})
        self._send({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _info(self, kind: str, id: str, revision: str = "main") -> None:
        import yaml

        repo, sha, files = self._at(kind, id, revision)
        card = files.get("README.md", b"").decode("utf-8", "replace")
        front = card.split("---\n")[1] if card.startswith("---\n") else "{}"
        made = {
            "_id": sha[:24], "id": id, "sha": sha, "private": repo.private, "disabled": False,
            "gated": "manual" if repo.gated else False, "downloads": 0, "likes": 0, "tags": [],
            "author": id.split("/")[0], "lastModified": "2026-01-01T00:00:00.000Z",
            "createdAt": "2026-01-01T00:00:00.000Z", "cardData": yaml.safe_load(front) or {},
            "siblings": [{"rfilename": path} for path in sorted(files)],
        }  # fmt: skip
        self._send(made)

    def _auth_check(self, kind: str, id: str) -> None:
        self._let_in(self._repo(kind, id))
        self._send({})

    def _refs(self, kind: str, id: str) -> None:
        repo = self._repo(kind, id)
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": sha}
            for name, sha in repo.branches.items()
        ]
        self._send({"branches": branches, "tags": [], "converts": []})

    def _tree(self, kind: str, id: str, revision: str, path: str = "") -> None:
        _, _, files = self._at(kind, id, revision)
        inside = path.strip("/") + "/" if path.strip("/") else ""
        deep = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        entries: dict[str, dict[str, Any]] = {}
        for name, data in sorted(files.items()):
            if not name.startswith(inside):
                continue
            parts = name[len(inside) :].split("/")
            for depth in range(1, len(parts)):
                if deep or depth == 1:
                    folder = inside + "/".join(parts[:depth])
                    entries.setdefault(folder, _folder_entry(folder))
            if deep or len(parts) == 1:
                entries[name] = _file_entry(name, data)
        if inside and not entries:
            raise _Refused(404, "EntryNotFound", f"{path} does not exist")
        self._send(list(entries.values()))

    def _paths_info(self, kind: str, id: str, revision: str) -> None:
        _, _, files = self._at(kind, id, revision)
        if "json" in self.headers.get("Content-Type", ""):
            wanted = json.loads(self.body)["paths"]
        else:
            wanted = parse_qs(self.body.decode()).get("paths", [])
        found = []
        for path in [wanted] if isinstance(wanted, str) else wanted:
            if path in files:
                found.append(_file_entry(path, files[path]))
            elif any(name.startswith(f"{path}/") for name in files):
                found.append(_folder_entry(path))
        self._send(found)

    def _resolve(self, kind: str, id: str, revision: str, path: str) -> None:
        repo, sha, files = self._at(kind.rstrip("/") or "models", id, revision)
        self._let_in(repo)
        if path not in files:
            raise _Refused(404, "EntryNotFound", f"{path} does not exist")
        data = files[path]
        headers = {
            "ETag": f'"{_etag(path, data)}"',
            "X-Repo-Commit": sha,
            "Accept-Ranges": "bytes",
        }
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if span is None:
            self._send(data, headers=headers)
            return
        first = int(span[1])
        last = min(int(span[2]) if span[2] else len(data) - 1, len(data) - 1)
        if first > last:
            raise _Refused(416, message="Range Not Satisfiable")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        self._send(data[first : last + 1], 206, headers)

    def _preupload(self, kind: str, id: str, revision: str) -> None:
        self._writable(kind, id)
        _, _, files = self._at(kind, id, revision)
        answer = []
        for entry in json.loads(self.body)["files"]:
            path = entry["path"]
            mode = "lfs" if _is_lfs(path, entry["size"]) else "regular"
            old = _oid(path, files[path]) if path in files else None
            answer.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": old})
        self._send({"files": answer})

    def _lfs_batch(self, kind: str, id: str) -> None:
        self._writable(kind.rstrip("/") or "models", id)
        objects = []
        for entry in json.loads(self.body)["objects"]:
            made = {"oid": entry["oid"], "size": entry["size"]}
            if entry["oid"] not in self.hub.stored:
                made["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{entry['oid']}"}}
            objects.append(made)
        self._send({"transfer": "basic", "objects": objects})

    def _lfs_put(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise _Refused(400, message="the content does not have this hash")
        self.hub.stored[oid] = self.body
        self._send({})

    def _commit(self, kind: str, id: str, revision: str) -> None:
        repo = self._writable(kind, id)
        _, parent, files = self._at(kind, id, revision)
        files, message = dict(files), ""
        for line in self.body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                message = value["summary"]
                if value.get("parentCommit", parent) != parent:
                    raise _Refused(412, message="A commit has happened since")
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                if value["oid"] not in self.hub.stored:
                    raise _Refused(400, message=f"{value['path']} was not uploaded")
                files[value["path"]] = self.hub.stored[value["oid"]]
            elif entry["key"] == "deletedFile":
                files.pop(value["path"], None)
            elif entry["key"] == "deletedFolder":
                inside = value["path"].rstrip("/") + "/"
                files = {p: d for p, d in files.items() if not p.startswith(inside)}
        sha = repo.commit(files, branch=revision, message=message)
        prefix = "" if kind == "models" else f"{kind}/"
        url = f"{self.hub.url}/{prefix}{id}/commit/{sha}"
        self._send({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})


def _is_lfs(path: str, size: int) -> bool:
    return size > 10 * 2**20 or path.lower().endswith(LFS)


def _etag(path: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if _is_lfs(path, len(data)) else blob_id(data)


def _pointer(data: bytes) -> bytes:
    oid = hashlib.sha256(data).hexdigest()
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(data)}\n".encode()
    )


def _oid(path: str, data: bytes) -> str:
    """What the hub answers to preupload: the SHA-256 of an LFS file, else git's hash."""
    return _etag(path, data)


def _file_entry(path: str, data: bytes) -> dict[str, Any]:
    if not _is_lfs(path, len(data)):
        return {"type": "file", "path": path, "size": len(data), "oid": blob_id(data)}
    lfs = {"oid": _etag(path, data), "size": len(data), "pointerSize": len(_pointer(data))}
    return {
        "type": "file", "path": path, "size": len(data), "oid": blob_id(_pointer(data)), "lfs": lfs
    }  # fmt: skip


def _folder_entry(path: str) -> dict[str, Any]:
    oid = hashlib.sha1(path.encode()).hexdigest()
    return {"type": "directory", "path": path, "size": 0, "oid": oid}
