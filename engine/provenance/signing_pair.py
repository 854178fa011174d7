"""A certificate and its private key, read and held against each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from engine.errors import ConfigurationError

_BEGINNING = "-----BEGIN "
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class SigningPair:
    """What signs: PEM, the signer's certificate first; the key as PKCS#8; the algorithm by C2PA's name."""

    certificates: bytes
    private_key: bytes = field(repr=False)
    algorithm: str

    @classmethod
    def read(cls, certificate: str, private_key: str) -> SigningPair:
        """Each is PEM, or the path of a file with it. Raises ConfigurationError, which tells nothing of the key."""
        certificates = _pem(certificate, "C2PA_CERTIFICATE")
        signer = _certificate(certificates)
        key = _private_key(_pem(private_key, "C2PA_PRIVATE_KEY"))
        if _public(signer.public_key()) != _public(key.public_key()):
            raise ConfigurationError(
                "C2PA_PRIVATE_KEY is not the key of C2PA_CERTIFICATE's first certificate. Put the signer's own "
                "certificate first, and give its key."
            )
        return cls(
            certificates,
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            _algorithm(key),
        )


def _pem(value: str, name: str) -> bytes:
    # Where variables have one line, PEM comes with the line ends written out.
    if value.startswith(_BEGINNING):
        return value.replace("\\n", "\n").encode()
    try:
        return Path(value).read_bytes()
    except (OSError, ValueError):
        raise ConfigurationError(f"{name} is neither PEM nor the path of a file that can be read.") from None


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        raise ConfigurationError("C2PA_CERTIFICATE holds no certificate as PEM. Copy the whole chain again.") from None


def _private_key(pem: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(
            "C2PA_PRIVATE_KEY holds no private key as PEM, or one under a passphrase. Give the plain key."
        ) from None


def _public(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]


def _algorithm(key: PrivateKeyTypes) -> str:
    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            return _CURVES[key.curve.name]
        case rsa.RSAPrivateKey():
            return "ps256"
        case ed25519.Ed25519PrivateKey():
            return "ed25519"
    raise ConfigurationError(
        "C2PA_PRIVATE_KEY is of a kind that C2PA doesn't sign with: use P-256, P-384, P-521, RSA or Ed25519."
    )
