"""The five shapes of a refusal, read alike; what is not one of them does no harm."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError, TtsMisconfigured, TtsQuotaExceeded, TtsRejected
from engine.outages import TtsUnavailable
from engine.speech.elevenlabs_failures import classify, read_refusal


def error(http_status: int, body: bytes) -> EngineError:
    return classify(read_refusal(http_status, body), "voice", "secret-key").error


def refused(detail: object) -> bytes:
    return json.dumps({"detail": detail}).encode()


@pytest.mark.parametrize(
    ("detail", "quoted"),
    [
        ({"type": "validation_error", "code": "unsupported_language", "message": "No such tongue"}, "No such tongue"),
        ({"status": "invalid_parameters", "message": "No such tongue"}, "No such tongue"),
        ([{"loc": ["body", "seed"], "msg": "too large", "type": "value_error"}], "body.seed too large"),
        ("invalid_parameters", "invalid_parameters"),
    ],
)
def test_every_shape_says_what_was_wrong(detail: object, quoted: str) -> None:
    raised = error(400, refused(detail))
    assert type(raised) is TtsRejected
    assert quoted in raised.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[]", b"3", b'{"detail": 3}', b'{"detail": "Not Found"}'])
def test_a_proxys_page_is_the_operators_matter(body: bytes) -> None:
    assert type(error(404, body)) is TtsMisconfigured
    assert type(error(503, body)) is TtsUnavailable


@pytest.mark.parametrize("http_status", [400, 401, 402, 403, 429])
def test_quota_is_quota_whatever_the_status(http_status: int) -> None:
    assert type(error(http_status, refused({"status": "quota_exceeded", "message": "Spent."}))) is TtsQuotaExceeded


def test_a_key_in_the_message_is_taken_out() -> None:
    assert "secret-key" not in error(400, refused({"status": "bad", "message": "secret-key is bad"})).message


@given(
    http_status=st.integers(300, 599),
    body=st.one_of(
        st.binary(max_size=40),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=20)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.sampled_from(["detail", "status", "code", "message", "loc", "msg"]), inner),
            ),
        ).map(lambda value: json.dumps({"detail": value}).encode()),
    ),
)
def test_any_reply_at_all_becomes_an_error_that_is_never_401(http_status: int, body: bytes) -> None:
    raised = error(http_status, body)
    assert raised.http_status in (400, 502, 503)
    assert len(raised.message) < 700
