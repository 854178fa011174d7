"""RunPod's REST API, version 2, as a deployment uses it: it keeps what it is sent, and takes no unknown field."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

KEY = "rpa_a-key-that-no-message-may-show"

CONTAINER = {"image", "args", "disk", "ports", "env", "registry"}
TEMPLATE = CONTAINER | {"name", "mounts", "public"}
ENDPOINT = CONTAINER | {"name", "templateId", "gpu", "workers", "scaling", "timeout", "flashboot"}
ENDPOINT |= {"networkVolumes", "dataCenterIds", "cpu"}
FIELDS: Mapping[tuple[str, str], set[str]] = {
    ("POST", "templates"): TEMPLATE | {"serverless", "category"},
    ("PATCH", "templates"): TEMPLATE,
    ("POST", "serverless"): ENDPOINT | {"type"},
    ("PATCH", "serverless"): ENDPOINT,
}
GPU = {"pools", "excludedTypes", "count", "minCudaVersion", "allowedCudaVersions"}
REQUIRED = {"templates": {"name", "image"}, "serverless": {"name", "type", "scaling"}}


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    body: dict[str, Any] | None
    agent: str


@dataclass
class RunPodRest:
    """A context. ``broken``: the status that every request of a method gets instead, and what is said with it."""

    kept: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {"templates": {}, "serverless": {}})
    asked: list[Asked] = field(default_factory=list)
    broken: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    listed_bare: bool = False

    def __enter__(self) -> Self:
        rest = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                rest.asked.append(Asked(self.command, self.path, body, self.headers.get("User-Agent", "")))
                status, reply = rest.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = do_PATCH = _answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v2"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: dict[str, Any] | None, authorization: str) -> tuple[int, bytes]:
        if authorization != f"Bearer {KEY}":
            return 401, _problem(401, f"the key {authorization} is invalid")
        if method in self.broken:
            return self.broken[method]
        _, version, folder, *found = path.split("/")
        assert version == "v2"
        if method == "GET":
            return 200, json.dumps(self._listed(folder)).encode()
        assert body is not None
        wrong = self._wrong(method, folder, body)
        return (422, _problem(422, wrong)) if wrong else self._keep(method, folder, found, body)

    def writes(self) -> list[tuple[str, str]]:
        return [(asked.method, asked.path) for asked in self.asked if asked.method != "GET"]

    def _listed(self, folder: str) -> Any:
        kept = list(self.kept[folder].values())
        return kept if self.listed_bare else {"templates" if folder == "templates" else "endpoints": kept}

    def _wrong(self, method: str, folder: str, body: dict[str, Any]) -> str:
        unknown = body.keys() - FIELDS[method, folder] | body.get("gpu", {}).keys() - GPU
        missing = REQUIRED[folder] - body.keys() if method == "POST" else set()
        env = body.get("env", {})
        wrong = [name for name, value in env.items() if not isinstance(value, str)]
        if folder == "serverless" and body.get("templateId") not in self.kept["templates"]:
            wrong.append("templateId")
        return f"unknown {unknown}, missing {missing}, wrong {wrong}" if unknown or missing or wrong else ""

    def _keep(self, method: str, folder: str, found: list[str], body: dict[str, Any]) -> tuple[int, bytes]:
        kept = self.kept[folder]
        if method == "POST":
            new_id = f"{folder[:2]}{len(kept) + 1}"
            kept[new_id] = {"id": new_id, **body}
            return 201, json.dumps(kept[new_id]).encode()
        kept[found[0]].update(body)
        return 200, json.dumps(kept[found[0]]).encode()


def _problem(status: int, detail: str) -> bytes:
    return json.dumps({"title": "Refused", "status": status, "detail": detail}).encode()
