"""A certificate and its key come together or not at all."""

from __future__ import annotations

import pytest

from engine.errors import ConfigurationError
from engine.settings import read_settings

PEM = "-----BEGIN PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"C2PA_CERTIFICATE": PEM}, "both C2PA_CERTIFICATE and C2PA_PRIVATE_KEY, or neither"),
        ({"C2PA_PRIVATE_KEY": PEM, "C2PA_CERTIFICATE": " "}, "both C2PA_CERTIFICATE and C2PA_PRIVATE_KEY, or neither"),
        ({"C2PA_TIMESTAMP_URL": "https://stamps.example"}, "C2PA_TIMESTAMP_URL has no use"),
        ({"C2PA_TIMESTAMP_URL": "stamps.example"}, "C2PA_TIMESTAMP_URL: "),
    ],
)
def test_half_a_pair_stops_the_start(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=told) as caught:
        read_settings()
    assert PEM not in caught.value.message


def test_empty_variables_are_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("C2PA_CERTIFICATE", "C2PA_PRIVATE_KEY", "C2PA_TIMESTAMP_URL"):
        monkeypatch.setenv(name, "")
    settings = read_settings()
    assert (settings.c2pa_certificate, settings.c2pa_private_key, settings.c2pa_timestamp_url) == (None, None, None)
