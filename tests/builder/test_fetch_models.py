from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from builder.downloads import Hub, Persistence
from builder.fetch_errors import AccessRefused, FetchError, FolderFailed, SourceFailed
from builder.fetch_models import FetchOptions, fetch_models
from builder.progress import Progress
from builder.weights_folder import WeightsFolder
from builder.weights_manifest import DirectFile, Manifest, WeightFile
from tests.builder.file_source import FileSource, body_of, path_of, sizes, weight_of
from tests.wire_server import Asked, WireServer, always, head, serving, whole

WEIGHT = weight_of("nets/unet.pth")
OPTIONS = FetchOptions(silence_seconds=2, persistence=Persistence(tries=3, first_wait=0.01, enough_progress=50_000))
TOKEN = "hf_secret"


def fetch(
    server: WireServer,
    folder: Path,
    weights: Sequence[WeightFile] = (WEIGHT,),
    token: str | None = None,
    options: FetchOptions = OPTIONS,
) -> str:
    """Fetch everything from that server, and return what was said."""
    said = io.StringIO()
    hub = Hub(f"http://127.0.0.1:{server.port}", token)
    fetch_models(weights, WeightsFolder(folder), hub, options, Progress(said))
    return said.getvalue()


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def assert_complete(folder: Path, weights: Sequence[WeightFile] = (WEIGHT,)) -> None:
    for weight in weights:
        assert (folder / weight.path).read_bytes() == body_of(weight.path)
    kept = {".fetch_models.json", ".fetch_models.lock"}
    assert files_in(folder) == {weight.path for weight in weights} | kept


def ranges_of(server: WireServer) -> list[str | None]:
    return [asked.headers.get("range") for asked in server.asked]


def test_files_come_whole_and_a_second_run_asks_nobody(tmp_path: Path) -> None:
    weights = [weight_of(f"nets/{number}.bin") for number in range(5)]
    with serving(FileSource(sizes())) as server:
        fetch(server, tmp_path, weights)
        assert len(server.asked) == 5
        assert fetch(server, tmp_path, weights) == ""
        assert len(server.asked) == 5
    assert_complete(tmp_path, weights)


def test_a_cut_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with serving(FileSource(sizes(60_000, 70_000))) as server:
        said = fetch(server, tmp_path)
    assert ranges_of(server) == [None, "bytes=60000-", "bytes=130000-"]
    assert server.asked[1].headers["if-range"] == '"v1"'
    assert said.count("broke off") == 2
    assert_complete(tmp_path)


def test_progress_renews_the_patience_and_standstill_ends_it(tmp_path: Path) -> None:
    with serving(FileSource(sizes(*[50_000] * 3))) as server:
        fetch(server, tmp_path / "moving")
    with serving(FileSource(sizes(*[0] * 9))) as server, pytest.raises(SourceFailed, match="tried 3 times"):
        fetch(server, tmp_path / "standing")
    assert len(server.asked) == 3


def test_a_later_run_goes_on_with_what_was_kept(tmp_path: Path) -> None:
    with serving(FileSource(sizes(80_000, 0, 0))) as server, pytest.raises(SourceFailed):
        fetch(server, tmp_path)
    assert not (tmp_path / WEIGHT.path).exists()
    with serving(FileSource(sizes())) as server:
        fetch(server, tmp_path)
    assert ranges_of(server) == ["bytes=80000-"]
    assert_complete(tmp_path)


def test_a_server_that_ignores_ranges_sends_the_whole_again(tmp_path: Path) -> None:
    with serving(FileSource(sizes(60_000), ranges=False)) as server:
        fetch(server, tmp_path)
    assert ranges_of(server) == [None, "bytes=60000-"]
    assert_complete(tmp_path)


def test_a_version_that_changed_meanwhile_is_fetched_anew(tmp_path: Path) -> None:
    source = FileSource(sizes(60_000))

    def script(connection: socket.socket, asked: Asked) -> None:
        source(connection, asked)
        source.etag = '"v2"'

    with serving(script) as server:
        fetch(server, tmp_path)
    assert server.asked[1].headers["if-range"] == '"v1"'
    assert_complete(tmp_path)


@pytest.mark.parametrize("etag", ['W/"v1"', None])
def test_no_weak_validator_stands_in_if_range(tmp_path: Path, etag: str | None) -> None:
    with serving(FileSource(sizes(60_000), etag=etag)) as server:
        fetch(server, tmp_path)
    assert ranges_of(server)[1] == "bytes=60000-"
    assert "if-range" not in server.asked[1].headers
    assert_complete(tmp_path)


@pytest.mark.parametrize("kept", [b"x" * 60_000, b"x" * 200_000, b"x" * 300_000])
def test_a_part_with_wrong_bytes_is_thrown_away_and_not_the_source(tmp_path: Path, kept: bytes) -> None:
    part = tmp_path / f"{WEIGHT.path}.part"
    part.parent.mkdir()
    part.write_bytes(kept)
    with serving(FileSource(sizes())) as server:
        fetch(server, tmp_path)
    assert_complete(tmp_path)


@pytest.mark.parametrize(
    "answer",
    [head(416, Content_Range="bytes */200000"), head(206, Content_Range="bytes 5-9/200000") + b"abcde", head(206)],
)
def test_a_range_that_is_answered_wrongly_leads_to_a_fresh_start(tmp_path: Path, answer: bytes) -> None:
    source = FileSource(sizes(60_000))

    def script(connection: socket.socket, asked: Asked) -> None:
        if "range" in asked.headers:
            connection.sendall(answer)
        else:
            source(connection, asked)

    with serving(script) as server:
        fetch(server, tmp_path)
    assert ranges_of(server) == [None, "bytes=60000-", None]
    assert_complete(tmp_path)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (whole(b"x" * 200_000), "other bytes"),
        (whole(b"<html>", Content_Type="text/html"), "another file"),
        (head(200) + b"x" * 300_000, "larger"),
        (whole(b"", 404), "status 404"),
        (whole(b"", 410), "status 410"),
    ],
)
def test_a_source_that_has_another_file_is_asked_once(tmp_path: Path, answer: bytes, words: str) -> None:
    with serving(always(answer)) as server, pytest.raises(SourceFailed, match=words):
        fetch(server, tmp_path)
    assert len(server.asked) == 1
    assert files_in(tmp_path) == {".fetch_models.lock"}


@pytest.mark.parametrize(
    "answer", [whole(b"", 503), whole(b"", 429, Retry_After=1), head(200) + b"short", b"junk\r\n\r\n", b""]
)
def test_a_passing_fault_is_tried_again(tmp_path: Path, answer: bytes) -> None:
    source = FileSource(sizes())

    def script(connection: socket.socket, asked: Asked) -> None:
        if len(server.asked) == 1:
            connection.sendall(answer)
        else:
            source(connection, asked)

    started = time.monotonic()
    with serving(script) as server:
        assert "Trying again in" in fetch(server, tmp_path)
    assert time.monotonic() - started >= (1 if b"Retry-After" in answer else 0)
    assert_complete(tmp_path)


def test_a_source_that_hangs_is_left_after_the_silence(tmp_path: Path) -> None:
    def script(connection: socket.socket, asked: Asked) -> None:
        connection.recv(1)

    options = FetchOptions(silence_seconds=0.2, persistence=Persistence(tries=2, first_wait=0.01))
    with serving(script) as server, pytest.raises(SourceFailed, match="ReadTimeout"):
        fetch(server, tmp_path, options=options)
    assert len(server.asked) == 2


@pytest.mark.parametrize("answer", [whole(b"", 404), whole(b"x" * 200_000), whole(b"", 403)])
def test_a_mirror_takes_over(tmp_path: Path, answer: bytes) -> None:
    with serving(FileSource(sizes())) as mirror, serving(always(answer)) as server:
        direct = DirectFile(url=f"http://127.0.0.1:{mirror.port}/{WEIGHT.path}")
        said = fetch(server, tmp_path, [weight_of(WEIGHT.path, [*WEIGHT.sources, direct])], TOKEN)
    assert "Trying the next source" in said
    assert "authorization" in server.asked[0].headers
    assert "authorization" not in mirror.asked[0].headers
    assert_complete(tmp_path)


def test_a_mirror_goes_on_with_the_first_sources_part(tmp_path: Path) -> None:
    with serving(FileSource(sizes())) as mirror, serving(FileSource(sizes(90_000, 0, 0))) as server:
        direct = DirectFile(url=f"http://127.0.0.1:{mirror.port}/{WEIGHT.path}")
        fetch(server, tmp_path, [weight_of(WEIGHT.path, [*WEIGHT.sources, direct])])
    assert ranges_of(mirror) == ["bytes=90000-"]
    assert "if-range" not in mirror.asked[0].headers
    assert_complete(tmp_path)


def test_a_source_that_cannot_be_reached_is_told_from_one_that_broke_off(tmp_path: Path) -> None:
    with serving(FileSource(sizes())) as server:
        pass
    with pytest.raises(SourceFailed, match="no connection"):
        fetch(server, tmp_path)


def test_when_all_sources_fail_the_first_ones_reason_stands(tmp_path: Path) -> None:
    with serving(always(whole(b"", 404))) as mirror, serving(always(whole(b"", 403))) as server:
        direct = DirectFile(url=f"http://127.0.0.1:{mirror.port}/{WEIGHT.path}")
        with pytest.raises(AccessRefused, match="terms"):
            fetch(server, tmp_path, [weight_of(WEIGHT.path, [*WEIGHT.sources, direct])])


@pytest.mark.parametrize(("token", "hint"), [(None, "set HF_TOKEN"), (TOKEN, "HF_TOKEN's account")])
def test_a_gated_repository_says_what_to_do(tmp_path: Path, token: str | None, hint: str) -> None:
    gated = whole(b"Access to model owner/models is restricted", 403, X_Error_Code="GatedRepo")
    with serving(always(gated)) as server, pytest.raises(AccessRefused, match=hint) as caught:
        fetch(server, tmp_path, token=token)
    assert "owner/models" in caught.value.message
    assert TOKEN not in caught.value.message
    assert len(server.asked) == 1


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(tmp_path: Path) -> None:
    with serving(FileSource(sizes(60_000))) as delivery:

        def script(connection: socket.socket, asked: Asked) -> None:
            if asked.path.startswith("/moved/"):
                connection.sendall(head(302, Location=f"http://127.0.0.1:{delivery.port}/{path_of(asked)}"))
            else:
                connection.sendall(head(307, Location=f"/moved{asked.path}"))

        with serving(script) as server:
            said = fetch(server, tmp_path, token=TOKEN)
    assert [asked.headers.get("authorization") for asked in server.asked] == [f"Bearer {TOKEN}"] * 4
    assert all("authorization" not in asked.headers for asked in delivery.asked)
    assert ranges_of(delivery) == [None, "bytes=60000-"]
    assert TOKEN not in said
    assert_complete(tmp_path)


def test_endless_redirects_end(tmp_path: Path) -> None:
    with serving(always(head(302, Location="/again"))) as server, pytest.raises(SourceFailed, match="redirects"):
        fetch(server, tmp_path)


@pytest.mark.parametrize(
    ("base_url", "safe"),
    [
        ("https://huggingface.co", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://mirror", False),
    ],
)
def test_a_token_never_crosses_a_network_in_the_clear(base_url: str, safe: bool) -> None:
    hub = Hub(base_url, TOKEN)
    assert hub.token_is_safe is safe
    assert bool(hub.credentials(WEIGHT.sources[0])) is safe
    assert hub.credentials(DirectFile(url=f"{base_url}/file")) == {}


def test_one_file_that_fails_keeps_no_other_back(tmp_path: Path) -> None:
    source = FileSource(sizes())

    def script(connection: socket.socket, asked: Asked) -> None:
        if "missing" in asked.path:
            connection.sendall(whole(b"", 404))
        else:
            source(connection, asked)

    good = [weight_of("good.bin"), weight_of("fine.bin")]
    bad = [weight_of("missing.a"), weight_of("missing.b")]
    with serving(script) as server, pytest.raises(FetchError) as caught:
        fetch(server, tmp_path, [*bad, *good])
    assert [line.split()[0] for line in caught.value.message.splitlines()] == ["missing.a", "missing.b"]
    assert_complete(tmp_path, good)


def test_files_that_came_by_other_ways_are_hashed_once_and_kept(tmp_path: Path) -> None:
    place = tmp_path / WEIGHT.path
    place.parent.mkdir()
    place.write_bytes(body_of(WEIGHT.path))
    with serving(FileSource(sizes())) as server:
        assert "Hashing" in fetch(server, tmp_path)
        assert fetch(server, tmp_path) == ""
    assert server.asked == []


def test_a_changed_file_is_noticed_by_size_or_time_and_mended(tmp_path: Path) -> None:
    place = tmp_path / WEIGHT.path
    with serving(FileSource(sizes())) as server:
        fetch(server, tmp_path)
        place.write_bytes(b"text instead")
        fetch(server, tmp_path)
        assert_complete(tmp_path)
        place.write_bytes(b"x" * 200_000)
        os.utime(place, (1, 1))
        fetch(server, tmp_path)
    assert_complete(tmp_path)


def test_verify_finds_what_size_and_time_hide(tmp_path: Path) -> None:
    place = tmp_path / WEIGHT.path
    with serving(FileSource(sizes())) as server:
        fetch(server, tmp_path)
        state = place.stat()
        damaged = bytearray(place.read_bytes())
        damaged[77] ^= 1
        place.write_bytes(damaged)
        os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))
        fetch(server, tmp_path)
        assert place.read_bytes() == damaged
        fetch(server, tmp_path, options=FetchOptions(verify=True, persistence=OPTIONS.persistence))
    assert_complete(tmp_path)


@pytest.mark.parametrize("stamps", ["", "{}", '{"files": 3}', "not json"])
def test_damaged_stamps_only_cost_a_hash(tmp_path: Path, stamps: str) -> None:
    with serving(FileSource(sizes())) as server:
        fetch(server, tmp_path)
        (tmp_path / ".fetch_models.json").write_text(stamps)
        assert "Hashing" in fetch(server, tmp_path)
        assert len(server.asked) == 1
    assert_complete(tmp_path)


def test_too_small_a_disk_is_said_before_the_first_byte(tmp_path: Path) -> None:
    huge = WEIGHT.model_copy(update={"bytes": 10**18})
    with serving(FileSource(sizes())) as server, pytest.raises(FolderFailed, match="free"):
        fetch(server, tmp_path, [huge])
    assert server.asked == []


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with serving(FileSource(sizes())) as server, pytest.raises(FolderFailed, match="--dir"):
        fetch(server, tmp_path / "file" / "models")


def command(folder: Path, server: WireServer, manifest: Path, *more: str) -> list[str]:
    base = f"http://127.0.0.1:{server.port}"
    start = [sys.executable, "-m", "builder.fetch_models", "--dir", str(folder), "--manifest", str(manifest)]
    return [*start, "--base-url", base, "--timeout", "5", *more]


def written(folder: Path, weights: Sequence[WeightFile]) -> Path:
    path = folder / "manifest.json"
    path.write_text(Manifest(files=tuple(weights)).model_dump_json())
    return path


def test_the_command_fetches_and_its_second_run_takes_no_time(tmp_path: Path) -> None:
    weights = [weight_of("a/one.bin"), weight_of("b/two.bin")]
    folder = tmp_path / "models"
    environment = {**os.environ, "HF_TOKEN": TOKEN}
    with serving(FileSource(sizes())) as server:
        run = command(folder, server, written(tmp_path, weights))
        first = subprocess.run(run, capture_output=True, text=True, env=environment, check=False)
        second = subprocess.run(run, capture_output=True, text=True, env=environment, check=False)
    assert first.returncode == second.returncode == 0
    assert first.stderr == second.stderr == f"All files (2, 400.0 kB) are in {folder}.\n"
    assert first.stdout == ""
    assert [asked.headers["authorization"] for asked in server.asked] == [f"Bearer {TOKEN}"] * 2
    assert_complete(folder, weights)


def test_the_command_fetches_only_what_is_asked_for(tmp_path: Path) -> None:
    manifest = written(tmp_path, [weight_of("a/one.bin"), weight_of("b/two.bin")])
    folder = tmp_path / "models"
    with serving(FileSource(sizes())) as server:
        done = subprocess.run(command(folder, server, manifest, "--only", "b"), capture_output=True, check=False)
        wrong = subprocess.run(
            command(folder, server, manifest, "--only", "c"), capture_output=True, text=True, check=False
        )
    assert done.returncode == 0
    assert_complete(folder, [weight_of("b/two.bin")])
    assert wrong.returncode == 2
    assert "a/one.bin, b/two.bin" in wrong.stderr


@pytest.mark.parametrize(("status", "code"), [(404, 1), (403, 4)])
def test_the_commands_exit_code_names_the_failure(tmp_path: Path, status: int, code: int) -> None:
    with serving(always(whole(b"", status))) as server:
        run = command(tmp_path / "models", server, written(tmp_path, [WEIGHT]))
        failed = subprocess.run(run, capture_output=True, text=True, check=False)
    assert failed.returncode == code
    assert f"status {status}" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_processes_that_fetch_into_one_folder_take_turns(tmp_path: Path) -> None:
    weights = [weight_of(f"{number}.bin") for number in range(3)]
    folder = tmp_path / "models"
    source = FileSource(sizes())

    def slow(connection: socket.socket, asked: Asked) -> None:
        time.sleep(0.3)
        source(connection, asked)

    with serving(slow) as server:
        run = command(folder, server, written(tmp_path, weights))
        processes = [subprocess.Popen(run, stderr=subprocess.PIPE, text=True) for _ in range(3)]
        said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(path_of(asked) for asked in server.asked) == ["0.bin", "1.bin", "2.bin"]
    assert all("files (3, 600.0 kB) are in" in text for text in said)
    assert_complete(folder, weights)


def test_a_stop_by_hand_keeps_what_has_come(tmp_path: Path) -> None:
    folder = tmp_path / "models"

    def drip(connection: socket.socket, asked: Asked) -> None:
        connection.sendall(head(200, Content_Length=200_000))
        for at in range(0, 200_000, 1000):
            connection.sendall(body_of(WEIGHT.path)[at : at + 1000])
            time.sleep(0.1)

    with serving(drip) as server:
        process = subprocess.Popen(
            command(folder, server, written(tmp_path, [WEIGHT])),
            stderr=subprocess.PIPE,
            text=True,
            # A test run in the background of a shell hands on that Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        while not server.asked:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert said == "Stopped. What has come is kept: run the command again to go on.\n"
    assert not (folder / WEIGHT.path).exists()
    with serving(FileSource(sizes())) as server:
        fetch(server, folder)
    assert_complete(folder)
