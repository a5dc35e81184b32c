"""What the hub on loopback answers to each request; see tests/loopback_hub.py."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from tests.loopback_hub import LoopbackHub, Repo

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


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int


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


class Handler(BaseHTTPRequestHandler):
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
        repo = self.hub.make(kind, id, private)
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
