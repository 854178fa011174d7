"""What the settings let in, and with which of them the server doesn't start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigurationError
from shim.auth.admission import admission_of
from shim.auth.keys import ApiKey, hash_of
from shim.settings import ShimSettings, read_shim_settings
from tests.shim.auth.signing import SECRET
from tests.shim.server_process import Server
from tests.worker.worker_process import REPOSITORY, Ground

HASH = hash_of("key")
OUTSIDE = ["0.0.0.0", "::", "10.0.0.5", "192.168.1.7", "avatars.example", "127.evil.example", ""]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_on_a_loopback_address_nobody_needs_a_key(host: str) -> None:
    assert not admission_of(ShimSettings(host=host)).is_guarded


@pytest.mark.parametrize("host", OUTSIDE)
def test_everywhere_else_somebody_has_to_say_who_is_let_in(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"API_KEYS .* ALLOW_ANONYMOUS=1"):
        admission_of(ShimSettings(host=host))
    assert not admission_of(ShimSettings(host=host, allow_anonymous=True)).is_guarded
    assert admission_of(ShimSettings(host=host, api_keys=(ApiKey("a", HASH),))).is_guarded
    assert admission_of(ShimSettings(host=host, jwt_secret=SECRET)).is_guarded


def test_keys_come_from_the_variable_and_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# whose\nbob:{HASH}\n")
    monkeypatch.setenv("API_KEYS", f"alice:{HASH},")
    monkeypatch.setenv("API_KEYS_FILE", str(file))
    assert [key.name for key in admission_of(read_shim_settings()).keys] == ["alice", "bob"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"allow_anonymous": True, "jwt_secret": SECRET}, "ALLOW_ANONYMOUS"),
        ({"jwt_secret": SECRET, "jwt_jwks": "https://id.example/keys"}, "exclude each other"),
        ({"jwt_issuer": "https://id.example"}, "JWT_ISSUER"),
        ({"jwt_audience": "avatars"}, "JWT_AUDIENCE"),
        ({"jwt_jwks": "http://id.example/keys"}, "https://"),
        ({"api_keys_file": Path("/nowhere/keys")}, "API_KEYS_FILE"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        admission_of(ShimSettings(**settings))


@pytest.mark.parametrize("content", [b"", b"# none\n", b"alice\n", b"\xff\xfe", b"alice:the-key-itself\n"])
def test_a_file_without_keys_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="API_KEYS_FILE") as caught:
        admission_of(ShimSettings(api_keys_file=file))
    assert "the-key-itself" not in caught.value.message
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize(
    ("name", "value"), [("API_KEYS", "alice:the-key-itself"), ("JWT_SECRET", "too short"), ("API_KEYS", "the-key")]
)
def test_a_wrong_variable_is_named_and_not_shown(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        read_shim_settings()
    assert value not in caught.value.message


def test_empty_variables_are_unset_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEYS", "API_KEYS_FILE", "JWT_SECRET", "JWT_JWKS", "JWT_ISSUER", "JWT_AUDIENCE"):
        monkeypatch.setenv(name, " ")
    assert not admission_of(read_shim_settings()).is_guarded


def test_the_server_refuses_to_start_open_to_all(fresh_ground: Ground) -> None:
    server = Server(fresh_ground, {"HOST": "0.0.0.0"})
    server.http.close()
    server.launch()
    assert server.exit_code() == 1
    (line,) = server.log().splitlines()
    assert line.startswith("The server can't start: HOST is no loopback address")


@pytest.mark.parametrize("settings", [{}, {"HOST": "0.0.0.0", "ALLOW_ANONYMOUS": "1"}])
def test_a_server_that_is_open_to_all_says_so_at_its_start(fresh_ground: Ground, settings: dict[str, str]) -> None:
    with Server(fresh_ground, settings) as server:
        assert "WARNING" in server.log()
        assert "whoever reaches this server is let in" in server.log()


def test_the_worker_loads_nothing_of_tokens() -> None:
    program = "import sys, handler, engine.engine, worker.local; print('jwt' in sys.modules, 'shim' in sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert finished.stdout.strip() == "False False"
