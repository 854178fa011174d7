from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest

from engine.cancel import Cancelled, CancelToken
from engine.errors import DownloadTooLarge, EngineError, UrlNotAllowed, UrlUnreachable
from engine.fetching.addresses import IPAddress
from engine.fetching.download import Downloaded, FetchLimits, GuardedFetcher
from engine.fetching.guard import FetchPolicy
from engine.outages import StorageFull, UrlUnavailable
from tests.wire_server import Asked, Authority, Script, WireServer, always, head, serving, whole

HOST = "files.example"
LIMITS = FetchLimits(max_bytes=1_000_000, total_seconds=10, connect_seconds=2, silence_seconds=2)
BODY = bytes(range(256)) * 100


class Names:
    """A resolver that gives each name its answers in turn, the last one for ever, and counts the questions."""

    def __init__(self, **answers: Sequence[str]) -> None:
        self._answers = {
            name.replace("_", "."): itertools.chain(given, itertools.repeat(given[-1]))
            for name, given in answers.items()
        }
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> tuple[IPAddress, ...]:
        self.asked.append(host)
        if host not in self._answers:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return tuple(ip_address(address) for address in next(self._answers[host]).split())


LOOPBACK = Names(files_example=["127.0.0.1"])


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.new()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "target"
    folder.mkdir()
    yield folder / "video.mp4"
    assert not list(folder.glob("*.part"))


def fetch(server: WireServer, target: Path, path: str = "/video.mp4", limits: FetchLimits = LIMITS) -> Downloaded:
    fetcher = GuardedFetcher(FetchPolicy(frozenset({f"{HOST}:{server.port}"})), resolver=LOOPBACK)
    return fetcher.download(f"http://{HOST}:{server.port}{path}", target, limits, CancelToken())


def refusal(script: Script, target: Path, limits: FetchLimits = LIMITS) -> EngineError:
    """The error of a download from such a server, after which nothing lies at the target."""
    with serving(script) as server, pytest.raises(EngineError) as caught:
        fetch(server, target, "/video.mp4?signature=hidden", limits)
    assert not target.exists()
    assert "hidden" not in caught.value.message
    assert HOST in caught.value.message or isinstance(caught.value, StorageFull)
    return caught.value


def test_a_file_comes_whole_with_its_size_and_hash(target: Path) -> None:
    with serving(always(whole(BODY, Content_Type="text/html"))) as server:
        downloaded = fetch(server, target, "/a%2Fb/video.mp4?X-Sig=a%2Bb%3D&n=1~2")
    assert downloaded == Downloaded(len(BODY), hashlib.sha256(BODY).hexdigest(), HOST)
    assert target.read_bytes() == BODY
    assert server.asked[0].path == "/a%2Fb/video.mp4?X-Sig=a%2Bb%3D&n=1~2"


def test_over_tls_the_name_is_kept_in_host_sni_and_certificate(
    authority: Authority, target: Path, tmp_path: Path
) -> None:
    context = authority.server_context(HOST, tmp_path)
    with serving(always(whole(BODY)), context) as server:
        fetcher = GuardedFetcher(FetchPolicy(frozenset({HOST})), resolver=LOOPBACK, tls=authority.client_context())
        fetcher.download(f"https://{HOST}:{server.port}/video.mp4", target, LIMITS, CancelToken())
    assert target.read_bytes() == BODY
    assert server.names == [HOST]
    assert server.asked[0].headers["host"] == f"{HOST}:{server.port}"
    assert server.asked[0].headers["accept-encoding"] == "identity"
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize("name", ["other.example", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused(
    authority: Authority, target: Path, tmp_path: Path, name: str
) -> None:
    context = authority.server_context(name, tmp_path)
    with serving(always(whole(BODY)), context) as server:
        fetcher = GuardedFetcher(FetchPolicy(frozenset({HOST})), resolver=LOOPBACK, tls=authority.client_context())
        with pytest.raises(UrlUnreachable, match="certificate"):
            fetcher.download(f"https://{HOST}:{server.port}/", target, LIMITS, CancelToken())
    assert server.asked == []


def test_a_certificate_of_an_unknown_authority_is_refused(authority: Authority, target: Path, tmp_path: Path) -> None:
    with serving(always(whole(BODY)), authority.server_context(HOST, tmp_path)) as server:
        fetcher = GuardedFetcher(FetchPolicy(frozenset({HOST})), resolver=LOOPBACK)
        with pytest.raises(UrlUnreachable, match="certificate"):
            fetcher.download(f"https://{HOST}:{server.port}/", target, LIMITS, CancelToken())


def test_a_name_that_changes_its_address_after_the_check_is_refused(target: Path) -> None:
    with serving(always(whole(BODY))) as server:
        names = Names(rebind_example=["93.184.215.14", "127.0.0.1"])
        fetcher = GuardedFetcher(FetchPolicy(), resolver=names)
        url = f"https://rebind.example:{server.port}/"
        fetcher.check(url)
        with pytest.raises(UrlNotAllowed):
            fetcher.download(url, target, LIMITS, CancelToken())
    assert names.asked == ["rebind.example"] * 2
    assert server.asked == []


def test_the_address_that_was_judged_is_the_one_connected_to(target: Path) -> None:
    with serving(always(whole(BODY))) as server:
        names = Names(files_example=["127.0.0.1", "192.0.2.1"])
        fetcher = GuardedFetcher(FetchPolicy(frozenset({HOST})), resolver=names)
        fetcher.download(f"http://{HOST}:{server.port}/", target, LIMITS, CancelToken())
    assert names.asked == [HOST]


def test_a_name_with_one_private_address_among_public_ones_is_refused(target: Path) -> None:
    fetcher = GuardedFetcher(FetchPolicy(), resolver=Names(mixed_example=["93.184.215.14 10.0.0.1"]))
    with pytest.raises(UrlNotAllowed, match=r"mixed\.example"):
        fetcher.download("https://mixed.example/", target, LIMITS, CancelToken())


def test_the_next_address_is_tried_when_the_first_is_dead(target: Path) -> None:
    with serving(always(whole(BODY))) as server:
        names = Names(files_example=["127.0.0.9 127.0.0.1"])
        fetcher = GuardedFetcher(FetchPolicy(frozenset({HOST})), resolver=names)
        fetcher.download(f"http://{HOST}:{server.port}/", target, LIMITS, CancelToken())
    assert target.read_bytes() == BODY


def test_redirects_are_followed_with_relative_places(target: Path) -> None:
    def script(connection: socket.socket, asked: Asked) -> None:
        at = int(asked.path.rpartition("/")[2])
        answer = head(302, Location=f"./{at + 1}", Content_Length=0, Set_Cookie="a=b") if at < 5 else whole(BODY)
        connection.sendall(answer)

    with serving(script) as server:
        fetch(server, target, "/hop/0")
    assert [asked.path for asked in server.asked] == [f"/hop/{at}" for at in range(6)]
    assert all("cookie" not in asked.headers for asked in server.asked)


def test_a_loop_of_redirects_ends_after_five(target: Path) -> None:
    with serving(always(head(302, Location="/video.mp4"))) as server, pytest.raises(UrlUnreachable, match="5 times"):
        fetch(server, target)
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1:{port}/",
        "https://[::ffff:7f00:1]:{port}/",
        "https://0x7f000001:{port}/",
        "https://inside.example:{port}/",
        "http://93.184.215.14/",
        "//user:hunter2@files.example:{port}/",
        "file:///etc/passwd",
        "gopher://files.example/",
    ],
)
def test_a_redirect_is_held_to_the_same_rules(target: Path, location: str) -> None:
    with serving(lambda connection, _: connection.sendall(answer)) as server:
        answer = head(307, Location=location.format(port=server.port))
        names = Names(files_example=["127.0.0.1"], inside_example=["10.0.0.1"])
        fetcher = GuardedFetcher(FetchPolicy(frozenset({f"{HOST}:{server.port}"})), resolver=names)
        with pytest.raises(UrlNotAllowed) as caught:
            fetcher.download(f"http://{HOST}:{server.port}/", target, LIMITS, CancelToken())
    assert len(server.asked) == 1
    assert "hunter2" not in caught.value.message


def test_https_is_never_left_for_http(authority: Authority, target: Path, tmp_path: Path) -> None:
    with serving(always(whole(BODY))) as plain:
        answer = head(301, Location=f"http://{HOST}:{plain.port}/")
        with serving(always(answer), authority.server_context(HOST, tmp_path)) as server:
            fetcher = GuardedFetcher(FetchPolicy(frozenset({HOST})), resolver=LOOPBACK, tls=authority.client_context())
            with pytest.raises(UrlNotAllowed, match="from https to http"):
                fetcher.download(f"https://{HOST}:{server.port}/", target, LIMITS, CancelToken())
    assert plain.asked == []


@pytest.mark.parametrize("location", ["", "https://files.example:port/"])
def test_a_redirect_to_nowhere_is_said_so(target: Path, location: str) -> None:
    assert isinstance(refusal(always(head(302, Location=location)), target), UrlUnreachable)


@pytest.mark.parametrize(("status", "kind"), [
    (404, UrlUnreachable), (403, UrlUnreachable), (410, UrlUnreachable), (204, UrlUnreachable), (206, UrlUnreachable),
    (304, UrlUnreachable), (408, UrlUnavailable), (429, UrlUnavailable), (500, UrlUnavailable), (503, UrlUnavailable),
])  # fmt: skip
def test_a_status_says_whether_asking_again_helps(target: Path, status: int, kind: type[EngineError]) -> None:
    error = refusal(always(head(status, Content_Length=0)), target)
    assert type(error) is kind
    assert str(status) in error.message


def test_a_length_above_the_limit_is_refused_before_the_body(target: Path) -> None:
    def script(connection: socket.socket, _: Asked) -> None:
        connection.sendall(head(200, Content_Length=10**12))
        connection.recv(1)

    started = time.monotonic()
    assert isinstance(refusal(script, target), DownloadTooLarge)
    assert time.monotonic() - started < 1.5


def test_a_body_without_a_length_is_cut_at_the_limit(target: Path) -> None:
    sent = 0

    def script(connection: socket.socket, _: Asked) -> None:
        nonlocal sent
        connection.sendall(head(200))
        while True:
            connection.sendall(bytes(65536))
            sent += 65536

    assert isinstance(refusal(script, target), DownloadTooLarge)
    assert sent < 20_000_000


@pytest.mark.parametrize("framing", [b"Content-Length: 50000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_shorter_than_promised_is_no_file(target: Path, framing: bytes) -> None:
    script = always(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n1f4\r\n" + bytes(300))
    assert isinstance(refusal(script, target), UrlUnavailable)


def test_what_a_server_sends_beyond_its_length_is_not_taken(target: Path) -> None:
    with serving(always(whole(BODY) + b"surplus")) as server:
        assert fetch(server, target).size == len(BODY)


def test_nothing_is_ever_decompressed(target: Path) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < LIMITS.max_bytes
    assert isinstance(refusal(always(whole(bomb, Content_Encoding="gzip")), target), UrlUnreachable)
    with serving(always(whole(bomb))) as server:
        assert fetch(server, target).size == len(bomb)


@pytest.mark.parametrize("start", [head(200, Content_Length=1000), b"HTTP/1.1 200 OK\r\nX-Long: "])
def test_a_slow_drip_is_cut_at_the_time_in_all(target: Path, start: bytes) -> None:
    def script(connection: socket.socket, _: Asked) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"a")
            time.sleep(0.02)

    limits = FetchLimits(max_bytes=10_000, total_seconds=0.5, silence_seconds=5)
    started = time.monotonic()
    error = refusal(script, target, limits)
    assert isinstance(error, UrlUnavailable)
    assert "0.5 s" in error.message
    assert time.monotonic() - started < 4.5


def test_silence_is_cut_long_before_the_time_in_all(target: Path) -> None:
    limits = FetchLimits(max_bytes=10_000, total_seconds=60, silence_seconds=0.3)
    assert isinstance(refusal(lambda connection, _: time.sleep(3), target, limits), UrlUnavailable)


def test_a_silent_handshake_is_cut(target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        fetcher = GuardedFetcher(FetchPolicy(frozenset({HOST})), resolver=LOOPBACK)
        limits = FetchLimits(max_bytes=1, total_seconds=60, connect_seconds=0.3)
        with pytest.raises(UrlUnavailable, match="answer"):
            fetcher.download(f"https://{HOST}:{port}/", target, limits, CancelToken())


def test_a_slow_resolver_is_cut(target: Path) -> None:
    release = threading.Event()

    def resolver(host: str, port: int) -> tuple[IPAddress, ...]:
        release.wait(10)
        return ()

    fetcher = GuardedFetcher(FetchPolicy(), resolver=resolver)
    limits = FetchLimits(max_bytes=1, total_seconds=60, connect_seconds=0.3)
    with pytest.raises(UrlUnavailable, match="looked up"):
        fetcher.download("https://slow.example/", target, limits, CancelToken())
    release.set()


@contextlib.contextmanager
def cancelled_after(seconds: float) -> Iterator[CancelToken]:
    cancel = CancelToken()
    timer = threading.Timer(seconds, cancel.cancel)
    timer.start()
    yield cancel
    timer.join()


@pytest.mark.parametrize("answer", [b"", head(200, Content_Length=1000), head(200, Content_Length=1000) + b"some"])
def test_a_cancel_is_prompt_wherever_the_server_stalls(target: Path, answer: bytes) -> None:
    def script(connection: socket.socket, _: Asked) -> None:
        connection.sendall(answer)
        connection.recv(1)

    with serving(script) as server, cancelled_after(0.3) as cancel:
        fetcher = GuardedFetcher(FetchPolicy(frozenset({HOST})), resolver=LOOPBACK)
        started = time.monotonic()
        with pytest.raises(Cancelled):
            fetcher.download(f"http://{HOST}:{server.port}/", target, FetchLimits(2000, 60, 60, 60), cancel)
        assert time.monotonic() - started < 10
    assert not target.exists()


def test_a_failure_leaves_what_was_there_before(target: Path) -> None:
    target.write_bytes(b"old")
    with serving(always(head(200, Content_Length=10) + b"half")) as server, pytest.raises(UrlUnavailable):
        fetch(server, target)
    assert target.read_bytes() == b"old"


def test_a_full_disk_is_said_so(target: Path) -> None:
    target.with_name("video.mp4.part").symlink_to("/dev/full")
    assert isinstance(refusal(always(whole(BODY)), target), StorageFull)


def test_a_host_that_refuses_connections_may_come_back(target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    fetcher = GuardedFetcher(FetchPolicy(frozenset({HOST})), resolver=LOOPBACK)
    with pytest.raises(UrlUnavailable, match="No connection"):
        fetcher.download(f"https://{HOST}:{port}/", target, LIMITS, CancelToken())


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"HTTP/1.1 huh\r\n\r\n"])
def test_what_is_not_http_is_no_file(target: Path, answer: bytes) -> None:
    assert isinstance(refusal(always(answer), target), UrlUnavailable)


def test_plain_text_where_tls_was_expected_is_no_file(target: Path) -> None:
    with serving(always(whole(BODY))) as server:
        fetcher = GuardedFetcher(FetchPolicy(frozenset({HOST})), resolver=LOOPBACK)
        with pytest.raises(UrlUnavailable):
            fetcher.download(f"https://{HOST}:{server.port}/", target, FetchLimits(10, 2, 1, 1), CancelToken())


def test_proxies_and_credentials_of_the_environment_are_ignored(
    target: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {HOST} login someone password word\n")
    with serving(always(whole(b"proxied"))) as proxy, serving(always(whole(BODY))) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NETRC", str(netrc))
        fetch(server, target)
    assert target.read_bytes() == BODY
    assert proxy.asked == []
    assert "authorization" not in server.asked[0].headers


def test_an_ipv6_literal_is_reached_when_it_is_listed(target: Path) -> None:
    try:
        context = serving(always(whole(BODY)), address="::1")
        server = context.__enter__()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with contextlib.ExitStack() as stack:
        stack.push(context)
        url = f"http://[::1]:{server.port}/"
        fetcher = GuardedFetcher(FetchPolicy(frozenset({f"[::1]:{server.port}"})))
        assert fetcher.download(url, target, LIMITS, CancelToken()).host == "::1"


def test_another_client_is_held_to_the_rules_through_the_transport() -> None:
    def script(connection: socket.socket, asked: Asked) -> None:
        # Each connection is closed after its answer: a client that isn't told would ask the next on it, too late.
        away = head(302, Location="https://10.0.0.1/", Connection="close")
        connection.sendall(away if asked.path == "/away" else whole(b"here", Connection="close"))

    with serving(script) as server:
        fetcher = GuardedFetcher(FetchPolicy(frozenset({f"{HOST}:{server.port}"})), resolver=LOOPBACK)
        with httpx.Client(transport=fetcher.guarded_transport(), follow_redirects=True, trust_env=False) as client:
            assert client.post(f"http://{HOST}:{server.port}/", content=b"x" * 100_000).text == "here"
            with pytest.raises(UrlNotAllowed):
                client.get(f"http://{HOST}:{server.port}/away")
            with pytest.raises(UrlNotAllowed):
                client.get("https://127.0.0.1/")
