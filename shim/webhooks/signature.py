"""Signatures by the Standard Webhooks scheme, version 1: HMAC-SHA256 over a message's id, its time and its body.

See the specification at https://github.com/standard-webhooks/standard-webhooks.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from datetime import datetime

from shim.signing import SigningSecret

_PREFIX = "whsec_"


@dataclass(frozen=True)
class WebhookSecrets:
    """Every owner's own secret, which comes of the server's. Every method may read the store, and blocks."""

    secret: SigningSecret

    def shown(self, owner: str | None) -> str:
        """The owner's secret as receivers are told it."""
        return _PREFIX + base64.b64encode(self._key(owner)).decode()

    def headers(self, owner: str | None, message_id: str, sent: datetime, body: bytes) -> dict[str, str]:
        """What a message is sent with, so that its receiver knows who sent it, and when."""
        seconds = str(int(sent.timestamp()))
        signed = f"{message_id}.{seconds}.".encode() + body
        signature = base64.b64encode(hmac.digest(self._key(owner), signed, "sha256")).decode()
        return {
            "webhook-id": message_id,
            "webhook-timestamp": seconds,
            "webhook-signature": f"v1,{signature}",
        }

    def _key(self, owner: str | None) -> bytes:
        # Nobody and the owner of an empty name, which there is none of, may share one.
        return self.secret.key("webhooks", owner or "")
