from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from engine.store.local import LocalStore
from shim.signing import SigningSecret
from shim.webhooks.signature import WebhookSecrets

BODY = '{"type":"job.done","data":{"text":"Grüße"}}'.encode()


@pytest.fixture
def secrets(tmp_path: Path) -> WebhookSecrets:
    return WebhookSecrets(SigningSecret(SecretStr("x" * 32), LocalStore(tmp_path)))


@pytest.mark.parametrize("owner", [None, "shop"])
def test_libraries_of_the_scheme_take_the_signature(secrets: WebhookSecrets, owner: str | None) -> None:
    headers = secrets.headers(owner, "msg_1", datetime.now(UTC), BODY)
    receiver = Webhook(secrets.shown(owner))
    assert receiver.verify(BODY, headers)["type"] == "job.done"
    for changed in ({"webhook-id": "msg_2"}, {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}):
        with pytest.raises(WebhookVerificationError):
            receiver.verify(BODY, {**headers, **changed})
    with pytest.raises(WebhookVerificationError):
        receiver.verify(BODY + b" ", headers)


def test_every_owner_has_a_secret_of_its_own(secrets: WebhookSecrets) -> None:
    shown = [secrets.shown(owner) for owner in (None, "shop", "bank")]
    assert len(set(shown)) == 3
    assert shown == [secrets.shown(owner) for owner in (None, "shop", "bank")]
    headers = secrets.headers("shop", "msg_1", datetime.now(UTC), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets.shown("bank")).verify(BODY, headers)
