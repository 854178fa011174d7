"""What the proxy does to requests, by what reaches the server and what the client gets."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.servers import faulty_proxy as proxies
from tests.servers.endpoint import S3Endpoint
from tests.servers.faulty_proxy import Fault, FaultyProxy, faulty_proxy


@pytest.fixture
def proxy(moto: S3Endpoint) -> Iterator[FaultyProxy]:
    with faulty_proxy(moto.port) as proxy:
        yield proxy


def put(proxy: FaultyProxy, fault: Fault, seconds: float = 5.0) -> int:
    """The status of a PUT that meets the fault; its request is the proxy's last."""
    proxy.weather = lambda method, path: fault
    return httpx.put(f"{proxy.url}/test-bucket/{uuid.uuid4().hex}", content=b"x" * 100, timeout=seconds).status_code


@pytest.mark.parametrize(("kind", "reached"), [("cut request", 0), ("lose answer", 1)])
def test_a_connection_is_cut_before_or_after_the_server_has_done_it(
    proxy: FaultyProxy, kind: proxies.Kind, reached: int
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        put(proxy, Fault("PUT", kind))
    assert [(done.method, done.status) for done in proxy.done] == [("PUT", 200)] * reached


def test_a_slow_server_has_done_it_before_it_says_so(proxy: FaultyProxy) -> None:
    began = time.monotonic()
    assert put(proxy, Fault("PUT", "hang", seconds=0.5)) == 200
    assert time.monotonic() - began >= 0.5
    assert proxy.done[0].at < began + 0.5


def test_a_server_that_hangs_never_answers(proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "LONGEST_HANG", 0.6)
    with pytest.raises(httpx.ReadTimeout):
        put(proxy, Fault("PUT", "hang", seconds=math.inf), 0.3)
    assert proxy.done == []
