"""What the REST server measures, for Prometheus.

Every label has few values: routes as they are written in the code, methods and states of fixed lists.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from engine.schemas import Generated, HealthReply

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"})
STAGES = frozenset(
    {
        "speech",
        "listening",
        "reading",
        "drawing",
        "composing",
        "encoding",
        "sound_and_avatar",
        "saving",
        "total",
    }
)
OTHER = "other"
"""Stands for whatever is in none of the lists."""

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_STAGE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_FRAGMENT_SECONDS = (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)


class Instruments:
    """One set of instruments with a registry of its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "avatar_http_requests", "Requests that were answered.", ["route", "method", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "avatar_http_request_seconds",
            "Seconds until a request was answered in full; of a stream and a WebSocket, until its end.",
            ["route"],
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self.places_taken = Gauge(
            "avatar_places_taken", "Videos that requests to this server wait for.", registry=registry
        )
        self.jobs_ended = Counter(
            "avatar_jobs_ended",
            "Videos that this server was asked for, by their end: done; failed, once work had begun; refused, before "
            "that; cancelled, by their caller, a stop or a worker's loss; left, when they took longer than "
            "SYNC_WAIT_SECONDS.",
            ["state"],
            registry=registry,
        )
        self.stage_seconds = Histogram(
            "avatar_stage_seconds",
            "Seconds that a stage of a finished video was busy; stages run side by side.",
            ["stage"],
            buckets=_STAGE_SECONDS,
            registry=registry,
        )
        self.first_fragment_seconds = Histogram(
            "avatar_first_fragment_seconds",
            "Seconds from a stream's request to the first piece of its video.",
            buckets=_FRAGMENT_SECONDS,
            registry=registry,
        )
        self.gpu_seconds = Counter("avatar_gpu_seconds", "GPU seconds of finished videos.", registry=registry)
        self._healthy = Gauge("avatar_healthy", "1 where /health says `healthy`.", registry=registry)
        self._queue_jobs = Gauge(
            "avatar_queue_jobs",
            "Jobs by state: the endpoint's, or those of a server that makes the videos itself.",
            ["state"],
            registry=registry,
        )
        self._workers = Gauge("avatar_workers", "The endpoint's workers by state.", ["state"], registry=registry)

    def made(self, generated: Generated) -> None:
        """A video is finished."""
        for stage, seconds in generated.timings.items():
            self.stage_seconds.labels(stage if stage in STAGES else OTHER).observe(seconds)
        self.gpu_seconds.inc(generated.gpu_seconds)

    def told_health(self, health: HealthReply | None) -> None:
        """How the backend is now; None: it can't be told. What an endpoint doesn't count any more is not shown."""
        self._healthy.set(health is not None and health.status == "healthy")
        counted = ((self._queue_jobs, health and health.jobs), (self._workers, health and health.workers))
        for gauge, counts in counted:
            gauge.clear()
            for state, count in (counts or {}).items():
                gauge.labels(state).set(count)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
