"""The secret that webhooks are signed with."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from shim.callers import Caller, caller_of
from shim.refusals import Forbidden
from shim.webhooks.signature import WebhookSecrets


class SecretReply(BaseModel):
    """What the receiver of webhooks checks them with."""

    secret: str = Field(
        description="As libraries of the Standard Webhooks scheme take it.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
    )


def webhook_routes(secrets: WebhookSecrets) -> APIRouter:
    """GET the caller's secret."""
    router = APIRouter(prefix="/api/v1/webhooks", tags=["Jobs and webhooks"])

    @router.get(
        "/secret",
        summary="Get the secret that your webhooks are signed with.",
        description="It is always the same for one owner of keys, and no other's. Where everybody is let in, there is "
        "one for all. A browser's token doesn't get it.",
    )
    async def get_secret(request: Request, response: Response) -> SecretReply:
        caller = caller_of(request.scope)
        demand_no_browser(caller)
        response.headers["Cache-Control"] = "no-store"
        return SecretReply(secret=await asyncio.to_thread(secrets.shown, caller.owner))

    return router


def demand_no_browser(caller: Caller) -> None:
    """Raises Forbidden for a caller whose token lies in a page, and whoever looks at the page has it."""
    if caller.kind not in ("key", "token", "anybody"):
        raise Forbidden("A browser's token neither names webhooks nor sees their secret. Use a key, from a server.")
