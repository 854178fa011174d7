"""An identity provider of the tests' own: keys, tokens, and a server of its key set."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_curve_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as new_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

SECRET = "a secret of more than thirty-two bytes"


@dataclass(frozen=True)
class Signer:
    """A private key under an id."""

    key_id: str
    key: RSAPrivateKey | EllipticCurvePrivateKey

    @classmethod
    def rsa(cls, key_id: str, bits: int = 2048) -> Signer:
        return cls(key_id, _rsa_key(key_id, bits))

    @classmethod
    def curve(cls, key_id: str) -> Signer:
        return cls(key_id, new_curve_key(SECP256R1()))

    @property
    def algorithm(self) -> str:
        return "RS256" if isinstance(self.key, RSAPrivateKey) else "ES256"

    @property
    def public(self) -> dict[str, Any]:
        """As the provider publishes it."""
        if isinstance(self.key, RSAPrivateKey):
            fields = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        else:
            fields = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**fields, "kid": self.key_id, "use": "sig"}

    @property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def token(self, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        own = {"kid": self.key_id} if headers is None else headers
        return jwt.encode(claims_of(claims), self.key, self.algorithm, headers=own)


@cache
def _rsa_key(key_id: str, bits: int) -> RSAPrivateKey:
    return new_rsa_key(65537, bits)


def secret_token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode(claims_of(claims), secret, algorithm)


def claims_of(changes: dict[str, Any]) -> dict[str, Any]:
    """Those of a token that is valid for a minute, changed; a claim that is None is left out."""
    claims = {"sub": "alice", "exp": time.time() + 60, **changes}
    return {name: value for name, value in claims.items() if value is not None}


def key_set(*signers: Signer) -> bytes:
    return json.dumps({"keys": [signer.public for signer in signers]}).encode()


@dataclass
class Provider:
    """What the server of a key set answers; ``asked``: how often it was asked."""

    url: str
    body: bytes = b""
    status: int = 200
    asked: int = field(default=0)


@contextmanager
def provider(*signers: Signer) -> Iterator[Provider]:
    """A server on the loopback address."""
    served = Provider("", key_set(*signers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked += 1
            self.send_response(served.status)
            self.send_header("Content-Length", str(len(served.body)))
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(served.body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
