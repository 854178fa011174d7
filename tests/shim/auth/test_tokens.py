"""Which tokens are valid, and what becomes of those that are not."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import jwt
import pytest

from engine.errors import Unauthorized
from shim.auth.jwks import Jwks
from shim.auth.tokens import PublicKeys, SharedSecret, TokenCheck
from shim.callers import Caller
from tests.shim.auth.signing import SECRET, Signer, claims_of, key_set, secret_token

RSA, CURVE = Signer.rsa("one"), Signer.curve("two")


class Published:
    """A key set that doesn't change."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        return self._body


def shared(issuer: str | None = None, audience: str | None = None) -> TokenCheck:
    return TokenCheck(SharedSecret(SECRET), issuer, audience)


def public(body: bytes = key_set(RSA, CURVE)) -> TokenCheck:
    return TokenCheck(PublicKeys(Jwks(Published(body), time.monotonic)), None, None)


def caller(check: TokenCheck, token: str) -> Caller:
    return asyncio.run(check.caller(token))


def refusal(check: TokenCheck, token: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        caller(check, token)
    assert len(token) < 4 or token not in caught.value.message
    return caught.value.message


def forged(header: dict[str, Any], signature: str = "") -> str:
    parts = [json.dumps(part).encode() for part in (header, claims_of({}))]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), signature])


def test_a_valid_token_says_whose_things_are() -> None:
    assert caller(shared(), secret_token()) == Caller("jwt:alice", "alice", "token")
    assert caller(public(), RSA.token()) == caller(public(), CURVE.token()) == Caller("jwt:alice", "alice", "token")


def test_a_token_without_a_key_id_is_checked_by_the_only_key() -> None:
    assert caller(public(key_set(CURVE)), CURVE.token(headers={})).name == "alice"
    refusal(public(), CURVE.token(headers={}))


def test_an_expired_token_is_told_so() -> None:
    assert "expired" in refusal(shared(), secret_token(exp=time.time() - 60))
    assert "expired" in refusal(public(), RSA.token(exp=time.time() - 60))
    # Clocks differ a little.
    assert caller(shared(), secret_token(exp=time.time() - 2)).name == "alice"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1e400},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\nb"},
        {"sub": "\ud800"},
        {"sub": "x" * 201},
        {"nbf": time.time() + 3600},
        {"iat": time.time() + 3600},
        {"aud": "somebody else"},
        {"padding": "x" * 9000},
    ],
)
def test_a_token_that_lacks_something_or_says_too_much_is_refused(claims: dict[str, Any]) -> None:
    refusal(shared(), secret_token(**claims))


def test_issuer_and_audience_have_to_be_those_that_are_set() -> None:
    check = shared("https://id.test", "avatars")
    assert caller(check, secret_token(iss="https://id.test", aud=["mail", "avatars"])).name == "alice"
    refusal(check, secret_token(iss="https://id.test"))
    refusal(check, secret_token(iss="https://id.test", aud="mail"))
    refusal(check, secret_token(iss="https://other.test", aud="avatars"))
    refusal(check, secret_token(aud="avatars"))


def test_a_token_signed_by_somebody_else_is_refused() -> None:
    refusal(shared(), secret_token("another secret that is also long enough"))
    refusal(public(), Signer("one", Signer.rsa("stranger").key).token())
    refusal(public(), Signer.curve("two").token())
    refusal(public(), Signer.rsa("three").token())


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_the_algorithm_is_never_the_tokens_choice(algorithm: str) -> None:
    secret = SECRET * 2
    check = TokenCheck(SharedSecret(secret), None, None)
    assert caller(check, secret_token(secret)).name == "alice"
    refusal(check, secret_token(secret, algorithm))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_a_token_that_is_not_signed_is_refused(algorithm: str) -> None:
    for check in (shared(), public()):
        refusal(check, forged({"alg": algorithm, "typ": "JWT", "kid": "one"}))
    refusal(shared(), secret_token("", "none"))


def test_a_public_key_is_never_taken_for_a_shared_secret() -> None:
    """Of the known confusions: HS256 with the published RSA key as its secret."""
    signing = jwt.PyJWS()
    hmac = signing.get_algorithm_by_name("HS256")
    for secret in (RSA.public_pem, json.dumps(RSA.public).encode()):
        unsigned = forged({"alg": "HS256", "typ": "JWT", "kid": "one"}).removesuffix(".")
        signature = base64.urlsafe_b64encode(hmac.sign(unsigned.encode(), secret)).decode().rstrip("=")
        refusal(public(), f"{unsigned}.{signature}")


def test_a_token_that_brings_its_own_key_is_refused() -> None:
    stranger = Signer.rsa("stranger")
    for header in ({"jwk": stranger.public}, {"jku": "https://evil.test/keys"}, {"x5u": "https://evil.test/keys"}):
        refusal(public(), stranger.token(headers={"kid": "one", **header}))


def test_keys_for_other_uses_and_secrets_in_a_key_set_let_nobody_in() -> None:
    encrypting = {**RSA.public, "use": "enc", "kid": "enc"}
    shared_key = {"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode()}
    other = {**RSA.public, "alg": "RS512", "kid": "512"}
    body = json.dumps({"keys": [encrypting, shared_key, other, CURVE.public]}).encode()
    refusal(public(body), RSA.token(headers={"kid": "enc"}))
    refusal(public(body), RSA.token(headers={"kid": "512"}))
    refusal(public(body), jwt.encode(claims_of({}), SECRET, "HS256", headers={"kid": "oct"}))


def test_a_key_that_is_too_short_lets_nobody_in() -> None:
    short = Signer.rsa("short", 1024)
    signing = jwt.PyJWS(options={"enforce_minimum_key_length": False})
    with pytest.warns(UserWarning, match="RSA"):
        token = signing.encode(json.dumps(claims_of({})).encode(), short.key, "RS256", headers={"kid": "short"})
    refusal(public(key_set(short)), token)


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "e30.e30.e30", "ä.ö.ü", "\0", "W1s" * 2000, "eyJ" + "A" * 500 + ".e30."],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    for check in (shared(), public()):
        refusal(check, token)


def test_a_header_that_is_nested_without_end_is_refused() -> None:
    nested = base64.urlsafe_b64encode(b"[" * 6000).decode().rstrip("=")
    for check in (shared(), public()):
        refusal(check, f"{nested}.e30.")


@pytest.mark.parametrize("key_id", [7, None, [], {}, "x" * 3000])
def test_a_strange_key_id_is_refused(key_id: object) -> None:
    refusal(public(), forged({"alg": "RS256", "kid": key_id}, "AAAA"))
