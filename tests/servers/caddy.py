"""The real Caddy with deploy/Caddyfile, in front of servers on this machine, with a certificate of its own making."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.shim.server_process import free_port
from tests.worker.worker_process import REPOSITORY

PROGRAM = "caddy"
_SECONDS = 20.0


def caddyfile(upstreams: Sequence[str], https: int) -> str:
    """The deployed one, but for the addresses: what stands at the end of a name that this machine doesn't have."""
    deployed = (REPOSITORY / "deploy" / "Caddyfile").read_text()
    local, found = re.subn(r"dynamic a \{.*?\}", f"to {' '.join(upstreams)}", deployed, flags=re.S)
    assert found == 1
    options = f"admin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\thttps_port {https}"
    return local.replace("admin off", options)


class Caddy:
    """A context: entering waits for its certificate. ``trust``: what believes it."""

    def __init__(self, folder: Path, upstreams: Sequence[str]) -> None:
        self._folder = folder
        self._port = free_port()
        self._file = folder / "Caddyfile"
        self._file.write_text(caddyfile(upstreams, self._port))
        self.url = f"https://localhost:{self._port}"
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        program = shutil.which(PROGRAM)
        assert program is not None
        environment = {"DOMAIN": "localhost", "HOME": str(self._folder), "XDG_DATA_HOME": str(self._folder)}
        with (self._folder / "caddy.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "run", "--adapter", "caddyfile", "--config", str(self._file)],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + _SECONDS
        while not self._has_certificate():
            assert self._process.poll() is None, (self._folder / "caddy.log").read_text()[-2000:]
            assert time.monotonic() < end, "Caddy never made its certificate"
            time.sleep(0.05)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _has_certificate(self) -> bool:
        if not self._root.is_file():
            return False
        with suppress(OSError), socket.create_connection(("localhost", self._port), 1) as connection:
            self.trust.wrap_socket(connection, server_hostname="localhost").close()
            return True
        return False

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._root))

    @property
    def _root(self) -> Path:
        return self._folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
