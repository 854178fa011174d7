"""The studio page and the files of /web/, as files."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.shim.errors import error_of
from tests.shim.server_process import Server

WEB = Path(__file__).parents[2] / "shim" / "web"
FILES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file())
MODULE = "/web/talking-avatar.js"
TYPES = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_as_it_is_with_its_type(server: Server, name: str) -> None:
    reply = server.http.get("/" if name == "index.html" else f"/web/{name}")
    assert reply.status_code == 200
    assert reply.content == (WEB / name).read_bytes()
    assert reply.headers["content-type"].partition(";")[0] == TYPES.get(name.rpartition(".")[2], "text/plain")
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_files_are_kept_by_browsers_and_checked_by_their_tag(server: Server) -> None:
    reply = server.http.get(MODULE)
    again = server.http.get(MODULE, headers={"If-None-Match": reply.headers["etag"]})
    head = server.http.head(MODULE)
    assert "max-age" in reply.headers["cache-control"]
    assert again.status_code == 304
    assert again.content == b""
    assert head.headers["content-length"] == str(len(reply.content))


def test_pages_of_every_origin_may_load_the_module(server: Server) -> None:
    reply = server.http.get(MODULE, headers={"Origin": "https://shop.example"})
    assert reply.headers.get_list("access-control-allow-origin") == ["*"]
    assert reply.headers.get_list("cross-origin-resource-policy") == ["cross-origin"]


@pytest.mark.parametrize("path", ["/web/", "/web/nothing.js", "/web/..%2fapp", "/web/index.html"])
def test_nothing_else_is_there(server: Server, path: str) -> None:
    error_of(server.http.get(path), 404, "not_found")


def test_the_page_lets_no_script_or_style_in_but_its_own(server: Server) -> None:
    reply = server.http.get("/")
    policy = dict(part.strip().partition(" ")[::2] for part in reply.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", reply.text)
    assert referred(reply) <= {"/docs", *(f"/web/{name}" for name in FILES)}


def referred(page: httpx.Response) -> set[str]:
    """Every address that the page names, without its fragment."""
    named = re.findall(r'(?:href|src)="([^"]*)"', page.text)
    return {address.partition("#")[0] for address in named if not address.startswith("#")}
