"""HTTP servers on loopback that send whatever bytes a test wants, well or badly."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Asked:
    """One request as it came: its path with the query, and its headers with lower-case names."""

    path: str
    headers: Mapping[str, str]


Script = Callable[[socket.socket, Asked], None]


@dataclass
class WireServer:
    """Answers each connection's one request by the script, in a thread of its own, and closes it."""

    script: Script
    tls: ssl.SSLContext | None = None
    address: str = "127.0.0.1"
    asked: list[Asked] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._listener = socket.create_server((self.address, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        if self.tls is not None:
            self.tls.sni_callback = lambda _connection, name, _context: self.names.append(name)

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _talk(self, plain: socket.socket) -> None:
        self._open.add(plain)
        with plain, contextlib.suppress(OSError):
            if self.tls is None:
                self._answer(plain)
                return
            with self.tls.wrap_socket(plain, server_side=True) as connection:
                self._open.add(connection)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := connection.recv(65536)):
                return
            head += data
        first, *lines = head.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        # A connection closed with unread bytes is reset, and the answer may be lost with it.
        _read_on(connection, int(headers.get("content-length", 0)) - len(head.split(b"\r\n\r\n", 1)[1]))
        asked = Asked(first.split(" ")[1], headers)
        self.asked.append(asked)
        self.script(connection, asked)


def _read_on(connection: socket.socket, count: int) -> None:
    while count > 0 and (data := connection.recv(count)):
        count -= len(data)


@contextlib.contextmanager
def serving(script: Script, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> Iterator[WireServer]:
    server = WireServer(script, tls, address)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def head(status: int, **headers: str | int) -> bytes:
    """A response's first lines; an underscore in a header's name stands for a hyphen."""
    lines = [f"HTTP/1.1 {status} Word", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(body: bytes, status: int = 200, **headers: str | int) -> bytes:
    return head(status, Content_Length=len(body), **headers) + body


def always(answer: bytes) -> Script:
    return lambda connection, _: connection.sendall(answer)


@dataclass(frozen=True)
class Authority:
    """A certificate authority for one test run."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Authority for tests")
        builder = _dated(x509.CertificateBuilder()).subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return cls(key, builder.sign(key, hashes.SHA256()))

    def client_context(self) -> ssl.SSLContext:
        pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def server_context(self, host: str, folder: Path) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _dated(x509.CertificateBuilder()).subject_name(_name(host)).issuer_name(self.certificate.subject)
        builder = builder.public_key(key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName([_subject(host)]), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        pem = folder / f"{host.replace(':', '_')}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _subject(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _dated(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
