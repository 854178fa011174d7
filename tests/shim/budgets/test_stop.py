"""The stop: put up and taken down by a command, and heeded within two seconds."""

from __future__ import annotations

import io
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import InternalError
from engine.schemas import Generate
from engine.store.local import LocalStore
from shim import stop
from shim.budgets.stop import STOP_KEY, Stop, StopCheck, StopSign
from shim.callers import ANYBODY
from shim.refusals import GenerationStopped
from tests.shim.budgets.asynchronous import asynchronous

REQUEST = Generate(session_id="s", text="Hello.")


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def begins(check: StopCheck) -> None:
    async with check.held(ANYBODY, REQUEST):
        pass


@asynchronous
async def test_it_holds_within_two_seconds_and_goes_within_two(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, sign = Clock(), StopSign(LocalStore(tmp_path))
    check = StopCheck(LocalStore(tmp_path), clock)
    await begins(check)
    sign.put_up(Stop(reason="Back at noon.", since=datetime.now(UTC)))
    clock.seconds = 2
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pytest.raises(GenerationStopped, match=r"Back at noon\."):
                await begins(check)
        assert sign.take_down()
        clock.seconds = 4
        await begins(check)
    assert [record.message for record in caplog.records] == [
        "The operator has stopped all new videos: Back at noon.",
        "The operator has lifted the stop.",
    ]


@asynchronous
async def test_what_has_begun_goes_on(tmp_path: Path) -> None:
    clock, sign = Clock(), StopSign(LocalStore(tmp_path))
    check = StopCheck(LocalStore(tmp_path), clock)
    async with check.held(ANYBODY, REQUEST):
        sign.put_up(Stop(reason="Back at noon.", since=datetime.now(UTC)))
        clock.seconds = 2


@asynchronous
async def test_a_sign_that_cannot_be_read_stops_too(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(STOP_KEY, b"{")
    with pytest.raises(InternalError, match="--lift"):
        await begins(StopCheck(store))
    assert StopSign(store).take_down()
    await begins(StopCheck(store))


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> tuple[int, str]:
    monkeypatch.setenv("STORE_DIR", str(folder))
    out = io.StringIO()
    return stop.main(arguments, {}, out), out.getvalue()


def test_the_command_puts_it_up_and_takes_it_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sign = StopSign(LocalStore(tmp_path))
    assert run(monkeypatch, tmp_path, "Too dear.")[0] == 0
    found = sign.read()
    assert found is not None
    assert found.reason == "Too dear."
    assert run(monkeypatch, tmp_path, "Still too dear.")[0] == 0
    assert run(monkeypatch, tmp_path, "--lift") == (0, "Lifted: videos are made again.\n")
    assert sign.read() is None
    assert run(monkeypatch, tmp_path, "--lift") == (0, "Nothing was stopped.\n")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_reason_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    assert run(monkeypatch, tmp_path, reason)[0] == 2
    assert StopSign(LocalStore(tmp_path)).read() is None


@pytest.mark.parametrize("arguments", [[], ["Too dear.", "--lift"]])
def test_either_a_reason_or_lift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, *arguments)
    assert StopSign(LocalStore(tmp_path)).read() is None
