"""A time-stamping authority of one's own: RFC 3161 over HTTP, by openssl."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.provenance.certificates import issue

_CONFIGURATION = """
[tsa]
default_tsa = own
[own]
serial = {folder}/serial
signer_cert = {folder}/chain.pem
certs = {folder}/chain.pem
signer_key = {folder}/key.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""


@contextmanager
def authority(folder: Path) -> Iterator[str]:
    """The address of one that works for the block, with its files in ``folder``."""
    issued = issue(rsa.generate_private_key(65_537, 2048), ExtendedKeyUsageOID.TIME_STAMPING, usage_critical=True)
    (folder / "chain.pem").write_text(issued.certificate)
    (folder / "key.pem").write_text(issued.private_key)
    (folder / "serial").write_text("01\n")
    (folder / "tsa.conf").write_text(_CONFIGURATION.format(folder=folder))

    class Stamps(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "asked.tsq").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            command = ["openssl", "ts", "-reply", "-config", "tsa.conf", "-queryfile", "asked.tsq"]
            done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(done.stdout)))
            self.end_headers()
            self.wfile.write(done.stdout)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stamps)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
