"""Health, at the server's root and below the printed base URL; /ping, for load balancers."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from engine.schemas import HealthReply
from shim.backends import Backend
from shim.warming import PATH as PING


def health_routes(backend: Backend) -> APIRouter:
    """GET /health, GET /api/v1/health, and GET and HEAD /ping."""
    router = APIRouter(tags=["Health"])

    async def health() -> HealthReply:
        return await backend.health()

    async def ping() -> Response:
        """200 without a body, and without asking anybody: this process takes requests. See shim/warming.py."""
        return Response()

    summary = "Check if the server is running and models are loaded."
    router.add_api_route("/health", health, methods=["GET"], summary=summary, name="health")
    router.add_api_route("/api/v1/health", health, methods=["GET"], summary=summary, name="health_v1")
    router.add_api_route(PING, ping, methods=["GET", "HEAD"], include_in_schema=False)
    return router
