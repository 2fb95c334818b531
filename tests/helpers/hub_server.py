"""A small hub on this machine: what huggingface_hub asks for to download a repository, answered from memory."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from jointwise.training.hub import open_hub

Files = dict[str, bytes]


@dataclass
class Hub:
    """Repositories by name, each with its revisions.

    Args:
        repositories: `owner/name` -> name of a revision -> its files.
        gated: Names of those that ask for access.
        asked: Every path that was asked for.
    """

    repositories: dict[str, dict[str, Files]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def add(self, name: str, folder: Path, revision: str = "main") -> None:
        """Put the files of a folder, without those in its folders, under a revision."""
        files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
        self.repositories.setdefault(name, {})[revision] = files

    def commit(self, name: str, revision: str) -> str:
        """The commit of a revision."""
        return hashlib.sha1(f"{name} {revision}".encode()).hexdigest()

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a request."""
        self.asked.append(path)
        words = unquote(urlsplit(path).path).strip("/").split("/")
        name = "/".join(words[2:4] if words[:2] == ["api", "models"] else words[:2])
        if name in self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        if name not in self.repositories:
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        asked_api = words[0] == "api"
        revision = words[5 if asked_api else 3]
        found = [key for key in self.repositories[name] if revision in (key, self.commit(name, key))]
        if not found:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        files, commit = self.repositories[name][found[0]], self.commit(name, found[0])
        if not asked_api:
            content = files[words[4]]
            return 200, {"ETag": hashlib.sha1(content).hexdigest(), "X-Repo-Commit": commit}, content
        if words[4] == "tree":
            listed = [
                {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for file, content in files.items()
            ]
            return 200, {}, json.dumps(listed).encode()
        siblings = [{"rfilename": file} for file in files]
        return 200, {}, json.dumps({"id": name, "modelId": name, "sha": commit, "siblings": siblings}).encode()


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """The address of a hub while it is served."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = hub.answer(self.path)
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def local_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty hub that huggingface_hub talks to in the block, with an empty cache of what was downloaded."""
    constants = pytest.importorskip("huggingface_hub.constants")
    file_download = pytest.importorskip("huggingface_hub.file_download")
    hub = Hub()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    with serving(hub) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        for module in (constants, file_download):  # both before version 1
            template = address + "/{repo_id}/resolve/{revision}/{filename}"
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        open_hub.cache_clear()
        yield hub
    open_hub.cache_clear()


def cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the network away: nobody listens at the address of the hub."""
    monkeypatch.setattr(pytest.importorskip("huggingface_hub.constants"), "ENDPOINT", "http://127.0.0.1:9")
