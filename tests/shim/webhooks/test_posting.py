"""Messages to addresses that callers have given."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.errors import UrlNotAllowed, UrlUnreachable
from engine.fetching.download import GuardedFetcher
from engine.fetching.guard import FetchPolicy
from shim.webhooks.posting import Answer, Posting
from tests.fetching.test_download import Names
from tests.shim.webhooks.receiver import Receiver

HEADERS = {"webhook-id": "msg_1"}


def posting(names: Names, *private: str, stop: CancelToken | None = None) -> Posting:
    return Posting(GuardedFetcher(FetchPolicy(frozenset(private)), resolver=names), stop or CancelToken())


def test_a_message_arrives_as_it_was_sent() -> None:
    with Receiver(204) as receiver:
        answer = posting(Names(), "127.0.0.1").post(receiver.url, b'{"a": 1}', HEADERS)
    (message,) = receiver.messages
    assert answer == Answer(status=204)
    assert (message.path, message.body, message.id) == ("/hook", b'{"a": 1}', "msg_1")
    assert message.headers["content-type"] == "application/json"
    assert not {"authorization", "cookie"} & set(message.headers)


@pytest.mark.parametrize("addresses", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "93.184.215.14 127.0.0.1"])
def test_a_name_of_a_private_address_is_refused_before_and_when_it_is_told(addresses: str) -> None:
    target = posting(Names(inside_example=[addresses]))
    with pytest.raises(UrlNotAllowed):
        target.check("https://inside.example/")
    answer = target.post("https://inside.example/", b"{}", HEADERS)
    assert answer.status is None
    assert "public" in (answer.error or "")


def test_a_name_that_changes_its_address_after_the_check_is_not_told() -> None:
    with Receiver() as receiver:
        names = Names(rebind_example=["93.184.215.14", "127.0.0.1"])
        port = receiver.url.rpartition(":")[2]
        target = posting(names)
        target.check(f"https://rebind.example:{port}")
        answer = target.post(f"https://rebind.example:{port}", b"{}", HEADERS)
    assert "public" in (answer.error or "")
    assert receiver.messages == []
    assert names.asked == ["rebind.example"] * 2


def test_a_name_that_nobody_has_is_told_at_once() -> None:
    with pytest.raises(UrlUnreachable):
        posting(Names()).check("https://nowhere.example/")


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a receiver that reads what comes and answers as it likes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                received = b""
                # Its head and its body may come apart.
                while not received.endswith(b"{}"):
                    received += connection.recv(65_536)
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        thread.join()


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while sent < 50_000_000:
                sent += connection.send(b"x" * 10_000)
        except OSError:
            return

    with answering(flood) as url:
        assert posting(Names(), "127.0.0.1").post(url, b"{}", HEADERS).is_taken
    assert sent < 50_000_000


def test_what_is_no_answer_is_told_in_a_sentence() -> None:
    with answering(lambda connection: connection.sendall(b"nonsense\r\n\r\n")) as url:
        answer = posting(Names(), "127.0.0.1").post(url, b"{}", HEADERS)
    assert answer == Answer(error="The connection broke before an answer came.")


def test_a_server_that_stops_waits_for_no_receiver() -> None:
    stop = CancelToken()

    def silent(connection: socket.socket) -> None:
        stop.cancel()
        connection.recv(1)

    with answering(silent) as url, pytest.raises(Cancelled):
        posting(Names(), "127.0.0.1", stop=stop).post(url, b"{}", HEADERS)
