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

import hashlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.loopback_hub_handler import READER, WRITER, Handler, Request, blob_id

__all__ = ["READER", "WRITER", "LoopbackHub", "Repo"]


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
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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

    def make(self, kind: str, id: str, private: bool) -> Repo:
        """A new repository without a commit."""
        return self.repos.setdefault((kind, id), Repo(kind, id, private))

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
