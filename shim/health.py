"""Health, at the server's root and below the printed base URL."""

from __future__ import annotations

from fastapi import APIRouter

from engine.schemas import HealthReply
from shim.backends import Backend


def health_routes(backend: Backend) -> APIRouter:
    """GET /health and GET /api/v1/health."""
    router = APIRouter(tags=["Health"])

    async def health() -> HealthReply:
        return await backend.health()

    summary = "Check if the server is running and models are loaded."
    router.add_api_route("/health", health, methods=["GET"], summary=summary, name="health")
    router.add_api_route("/api/v1/health", health, methods=["GET"], summary=summary, name="health_v1")
    return router
