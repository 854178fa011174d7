"""Ceph's S3 server on loopback: one monitor, one storage daemon in memory, one gateway. Ready in about 12 seconds."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.endpoint import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Endpoint, make_bucket

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "ceph-authtool", "monmaptool", "setpriv")
READY_SECONDS = 90.0

GUEST_ID = "AKIATESTGUEST"
GUEST_SECRET = "a-guest-s-secret-that-no-message-may-show"
"""Of the user `guest`, who has no bucket and may do nothing."""

# Ceph refuses to talk to itself without cephx.
CONFIGURATION = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{monitor_port}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring
run dir = {folder}
admin socket =
pid file =
log file =
log to stderr = false
mon cluster log file =
mon allow pool size one = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
[mon]
mon data = {folder}/mon
mon data avail crit = 1
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 3221225472
[client.rgw]
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{gateway_port}
rgw dns name = localhost
"""

KEYS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
    "client.rgw": {"mon": "allow rw", "osd": "allow rwx"},
}


@pytest.fixture(scope="session")
def radosgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint]:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs the packages ceph-mon, ceph-osd and radosgw: no {', '.join(missing)} here")
    with ExitStack() as daemons:
        url = _Cluster(tmp_path_factory.mktemp("ceph"), daemons).start()
        yield make_bucket(url, "test-bucket")


class _Cluster:
    def __init__(self, folder: Path, daemons: ExitStack) -> None:
        self._folder = folder
        self._daemons = daemons
        self._fsid = str(uuid.uuid4())
        self._monitor_port, self._gateway_port = _free_ports(2)

    def start(self) -> str:
        self._configure()
        self._start_monitor()
        self._start_storage()
        self._daemon("radosgw", "-n", "client.rgw")
        url = f"http://localhost:{self._gateway_port}"
        _wait_for(url)
        self._create_user("tests", ACCESS_KEY_ID, SECRET_ACCESS_KEY)
        self._create_user("guest", GUEST_ID, GUEST_SECRET)
        return url

    def _create_user(self, name: str, key_id: str, secret: str) -> None:
        self._run("radosgw-admin", "user", "create", f"--uid={name}", f"--display-name={name}",
                  f"--access-key={key_id}", f"--secret-key={secret}")  # fmt: skip

    def _configure(self) -> None:
        for name in ("mon", "osd", "rgw"):
            (self._folder / name).mkdir()
        text = CONFIGURATION.format(
            fsid=self._fsid, folder=self._folder, monitor_port=self._monitor_port, gateway_port=self._gateway_port
        )
        (self._folder / "ceph.conf").write_text(text)
        keyring = str(self._folder / "keyring")
        _call("ceph-authtool", "--create-keyring", keyring)
        for name, allowed in KEYS.items():
            caps = [word for service, cap in allowed.items() for word in ("--cap", service, cap)]
            _call("ceph-authtool", keyring, "--gen-key", "-n", name, *caps)

    def _start_monitor(self) -> None:
        monitors = str(self._folder / "monmap")
        address = f"[v2:127.0.0.1:{self._monitor_port}]"
        _call("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", address, monitors)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors)
        self._daemon("ceph-mon", "-i", "a")

    def _start_storage(self) -> None:
        disk = str(uuid.uuid4())
        self._run("ceph", "--connect-timeout", "30", "osd", "new", disk)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._daemon("ceph-osd", "-i", "0")

    def _run(self, program: str, *arguments: str) -> None:
        _call(program, "-c", str(self._folder / "ceph.conf"), *arguments)

    def _daemon(self, program: str, *arguments: str) -> None:
        # The daemon dies with the tests, even when those are killed.
        command = ["setpriv", "--pdeathsig", "KILL", program, "-f", "-c", str(self._folder / "ceph.conf"), *arguments]
        with (self._folder / f"{program}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self._daemons.callback(_stop, process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"


def _free_ports(count: int) -> Sequence[int]:
    with ExitStack() as sockets:
        taken = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in taken]


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert time.monotonic() < deadline, "radosgw never began to answer"
            time.sleep(0.2)
