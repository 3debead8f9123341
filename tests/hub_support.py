"""A stand-in for the Hugging Face hub: one network, served over HTTP."""

import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import constants, file_download

_BREAKS = ("ends early", "reset", "stumbles")
_WAITS = ("halts", "trickles")


class _Hub(BaseHTTPRequestHandler):
    """The server's ``mood`` is "works", one of ``_BREAKS`` or ``_WAITS``, or a status for all.

    Weights end in the middle where it ends early, is reset or stumbles; only the last sends the
    rest when asked again. Where it halts they stay there until ``goes_on`` is set, where it
    trickles they come slowly till then.
    """

    def do_HEAD(self) -> None:
        self._answer(sends=False)

    def do_GET(self) -> None:
        self._answer(sends=True)

    def _answer(self, sends: bool) -> None:
        hub: Any = self.server
        path = self.path.partition("?")[0]
        hub.asked.append((self.command, path, self.headers.get("Range")))
        if isinstance(hub.mood, int):
            self._refuse(hub.mood)
        elif path.startswith("/api/models/"):
            self._answer_api(path)
        elif not path.startswith(f"/{hub.repository}/"):
            self._refuse(404, "RepoNotFound")
        elif path.split("/")[4] not in ("main", hub.revision):
            self._refuse(404, "RevisionNotFound")
        elif path.split("/")[-1] not in hub.files:
            self._refuse(404, "EntryNotFound")
        else:
            self._send_file(hub.files[path.split("/")[-1]], sends)

    def _answer_api(self, path: str) -> None:
        hub: Any = self.server
        if "/tree/" in path:
            content: Any = [
                {"type": "file", "path": name, "size": len(body), "oid": _sign(body)}
                for name, body in hub.files.items()
            ]
        else:
            siblings = [{"rfilename": name} for name in hub.files]
            content = {"id": hub.repository, "sha": hub.revision, "siblings": siblings}
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send_file(self, body: bytes, sends: bool) -> None:
        hub: Any = self.server
        headers = {"ETag": f'"{_sign(body)}"', "X-Repo-Commit": hub.revision}
        start = int((self.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        breaks = hub.mood in (*_BREAKS, *_WAITS) and len(body) > 50_000
        if start and hub.mood in ("ends early", "reset"):
            self._refuse(503)
        elif start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            hub.goes_on.wait(120 if hub.mood == "halts" else 0)
            with suppress(ConnectionError):
                self._send(206, body[start:], headers, sends)
        else:
            self._send(200, body, headers, sends, len(body) // 2 if breaks else len(body))

    def _send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str],
        sends: bool = True,
        most: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not sends:
            return
        self.wfile.write(body[:most])
        if most is None or most == len(body):
            return
        hub: Any = self.server
        if hub.mood in _WAITS:
            with suppress(ConnectionError):  # nobody may have waited
                while not hub.goes_on.wait(120 if hub.mood == "halts" else 0.05) and body[most:]:
                    self.wfile.write(body[most : most + 2_000])
                    most += 2_000
                self.wfile.write(body[most:])
            return
        if hub.mood == "reset":  # the connection ends with an error, not with a goodbye
            at_once = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.close_connection = True

    def _refuse(self, status: int, code: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve_hub(
    folder: Path, repository: str, revision: str, cache: Path
) -> Iterator[ThreadingHTTPServer]:
    """Serve the files of a folder as a repository, and make it the hub of this process."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.repository, server.revision = repository, revision
    server.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    server.mood, server.asked, server.goes_on = "works", [], threading.Event()
    address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        patch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)  # bytes; what came whole is kept
        no_wait = SimpleNamespace(sleep=lambda seconds: None)
        patch.setattr(file_download, "time", no_wait)
        try:
            yield server
        finally:
            server.goes_on.set()
            server.shutdown()
            server.server_close()


def _sign(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()
