"""The voices and models that a generate may name."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel

from engine.speech.catalogue import CatalogueModel, CatalogueVoice
from shim.catalogues import Catalogues


class VoicesReply(BaseModel):
    """Every voice that can be named. ``provider``: who speaks; ``fetched_at``: when they were last asked."""

    provider: Literal["elevenlabs", "espeak"]
    fetched_at: AwareDatetime
    voices: list[CatalogueVoice]


class ModelsReply(BaseModel):
    """Every model that can be named. ``provider``: who speaks; ``fetched_at``: when they were last asked."""

    provider: Literal["elevenlabs", "espeak"]
    fetched_at: AwareDatetime
    models: list[CatalogueModel]


def voice_routes(catalogues: Catalogues) -> APIRouter:
    """GET /api/v1/voices and /api/v1/models."""
    router = APIRouter(prefix="/api/v1", tags=["Voices"])

    @router.get("/voices", summary="List the voices that can speak.", response_model_exclude_none=True)
    async def list_voices() -> VoicesReply:
        catalogue = await catalogues.current()
        return VoicesReply.model_validate(catalogue.model_dump())

    @router.get(
        "/models",
        summary="List the models that voices speak with.",
        response_model_exclude_none=True,
    )
    async def list_models() -> ModelsReply:
        catalogue = await catalogues.current()
        return ModelsReply.model_validate(catalogue.model_dump())

    return router
