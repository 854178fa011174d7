"""Certificates as an operator would have them for C2PA, and some that won't do, made on the spot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A chain and its key, as PEM."""

    certificate: str
    private_key: str


def name_of(common: str) -> x509.Name:
    country = x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Films of Test")
    return x509.Name([country, organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def key_as_pem(key: Key, passphrase: bytes | None = None) -> str:
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def issue(
    key: Key | None = None,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    begins: timedelta = -DAY,
    ends: timedelta = 30 * DAY,
    *,
    usage_critical: bool = False,
) -> Issued:
    """A signer's certificate with that of the authority that issued it; times count from now."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    authority = ec.generate_private_key(ec.SECP256R1())
    root = (
        _begun("Authority of Test", "Authority of Test", authority, -400 * DAY, 400 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_uses(signs_certificates=True), critical=True)
        .sign(authority, hashes.SHA256())
    )
    signer = (
        _begun("Studio of Test", "Authority of Test", own, begins, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_uses(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=usage_critical)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    chain = b"".join(each.public_bytes(Encoding.PEM) for each in (signer, root))
    return Issued(chain.decode(), key_as_pem(own))


def _begun(subject: str, issuer: str, key: Key, begins: timedelta, ends: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name_of(subject))
        .issuer_name(name_of(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _uses(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
