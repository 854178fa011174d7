"""Signed links: good for one scope, for one owner, until they expire."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from starlette.types import Scope

from engine.errors import Unauthorized
from engine.store.local import LocalStore
from shim.callers import Caller
from shim.links import Links, scope_of
from shim.signing import SigningSecret

ALICE = Caller("key:alice", "alice", "key")
VIDEO = "/api/v1/generate/video/output_4711.mp4"
PLAYLIST = "/api/v1/generate/stream/4711/index.m3u8"
NOW = 1_000_000.0


@pytest.fixture
def links(tmp_path: Path) -> Links:
    return Links(SigningSecret(SecretStr("s" * 32), LocalStore(tmp_path)), 600, True, lambda: NOW)


def request(address: str, method: str = "GET") -> Scope:
    parts = urlsplit(address)
    return {"type": "http", "method": method, "path": parts.path, "query_string": parts.query.encode()}


def test_a_link_is_let_in_as_its_owner_to_all_of_its_job_and_to_nothing_else(links: Links) -> None:
    address = links.address(VIDEO, ALICE)
    query = urlsplit(address).query
    for path in (VIDEO, PLAYLIST, "/api/v1/generate/stream/4711/run/segment-00000.m4s"):
        caller = links.caller(request(f"{path}?{query}", "HEAD"))
        assert caller is not None
        assert (caller.kind, caller.owner, caller.link) == ("link", "key:alice", query)
    for path in (VIDEO.replace("4711", "4712"), "/api/v1/session/4711/thumbnail"):
        with pytest.raises(Unauthorized, match="not valid"):
            links.caller(request(f"{path}?{query}"))
    assert links.caller(request(f"{VIDEO}?{query}", "POST")) is None
    assert links.caller(request(f"/api/v1/session/4711/status?{query}")) is None


def test_a_link_ends(links: Links) -> None:
    address = links.address(VIDEO, ALICE)
    assert replace(links, now=lambda: NOW + 599).caller(request(address)) is not None
    with pytest.raises(Unauthorized, match="expired"):
        replace(links, now=lambda: NOW + 611).caller(request(address))


def test_who_comes_by_a_link_is_told_addresses_that_end_with_it(links: Links) -> None:
    caller = links.caller(request(links.address(VIDEO, ALICE)))
    assert caller is not None
    later = replace(links, now=lambda: NOW + 599)
    assert later.address(PLAYLIST, caller) == f"{PLAYLIST}?{caller.link}"
    assert later.address(PLAYLIST, ALICE) != links.address(PLAYLIST, ALICE)


def test_who_asks_again_soon_is_told_the_same_address(links: Links) -> None:
    assert replace(links, now=lambda: NOW + 5).address(VIDEO, ALICE) == links.address(VIDEO, ALICE)


@pytest.mark.parametrize(
    "query", ["expires=1000500", "expires=9999999999&", "expires=x&", "expires=&", "", "expires=-1&"]
)
@pytest.mark.parametrize(
    "signature", ["signature=", "signature=AAAA", "signature=%C3%A4%00", "signature=" + "A" * 9999]
)
def test_a_forged_link_is_refused(query: str, signature: str, links: Links) -> None:
    with pytest.raises(Unauthorized, match="not valid") as refused:
        links.caller(request(f"{VIDEO}?{query.rstrip('&')}&{signature}&x=1"))
    assert "AAAA" not in refused.value.message


def test_another_secret_or_a_changed_expiry_signs_nothing(links: Links, tmp_path: Path) -> None:
    address = links.address(VIDEO, ALICE)
    other = replace(links, secret=SigningSecret(SecretStr("t" * 32), LocalStore(tmp_path)))
    expires = address.partition("expires=")[2].partition("&")[0]
    for forged in (other.address(VIDEO, ALICE), address.replace(expires, str(int(expires) + 1))):
        with pytest.raises(Unauthorized):
            links.caller(request(forged))


def test_the_signature_does_not_show_whose_it_is(links: Links) -> None:
    bob = Caller("key:bobby", "bobby", "key")
    assert "alice" not in links.address(VIDEO, ALICE)
    assert links.address(VIDEO, ALICE) != links.address(VIDEO, bob)
    assert "alice" not in repr(links.caller(request(links.address(VIDEO, ALICE)))).replace("owner='key:alice'", "")


def test_in_open_mode_addresses_stay_bare(links: Links) -> None:
    assert replace(links, is_guarded=False).address(VIDEO, ALICE) == VIDEO


def test_only_files_can_be_linked(links: Links) -> None:
    assert scope_of("/api/v1/generate/text-to-video-stream") is None
    with pytest.raises(ValueError, match="No link"):
        links.address("/api/v1/jobs/4711", ALICE)
