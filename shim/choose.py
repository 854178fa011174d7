"""The one place that chooses who makes the videos."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from engine.clock import utc_now
from engine.records import Records
from engine.store.choose import choose_store
from engine.store.protocol import ObjectStore
from shim.app import Service
from shim.jobs.accepted import AcceptedJobs
from shim.settings import ShimSettings
from shim.signing import demand_secret_place

log = logging.getLogger(__name__)


@contextmanager
def open_service(settings: ShimSettings, environ: Mapping[str, str]) -> Iterator[Service]:
    """The endpoint that RUNPOD_ENDPOINT_ID names, or else the engine in this process, warm; each with its store.

    A key alone chooses nothing: RunPod sets one in all that it runs. Raises ConfigurationError.
    """
    demand_secret_place(settings.signing_secret, environ)
    with service_over(choose_store(settings, environ), settings) as service:
        yield service


@contextmanager
def service_over(store: ObjectStore, settings: ShimSettings) -> Iterator[Service]:
    """As ``open_service``, over this store."""
    if settings.runpod_endpoint_id is not None:
        yield _before_an_endpoint(settings, store)
    else:
        with _in_this_process(settings, store) as service:
            yield service


def _before_an_endpoint(settings: ShimSettings, store: ObjectStore) -> Service:
    from shim.runpod_backend import RunPodBackend

    records = Records(store, utc_now)
    backend = RunPodBackend.open(settings, store, records)
    log.info("The videos are made by the endpoint %s.", settings.runpod_endpoint_id)
    return Service(backend, store, records, settings)


@contextmanager
def _in_this_process(settings: ShimSettings, store: ObjectStore) -> Iterator[Service]:
    # Here, because only this backend needs what reads and draws pictures.
    from engine.engine import Engine
    from shim.in_process import InProcess

    began = time.monotonic()
    engine = Engine.open(settings, store)
    engine.warm()
    log.info("The engine is ready after %.2f s; renderer: %s.", time.monotonic() - began, engine.renderer.name)
    with engine.housekeeping():
        accepted = AcceptedJobs(engine.store, utc_now)
        backend = InProcess(engine, utc_now, settings.max_waiting_jobs, accepted.unfinished_ids)
        yield Service(backend, engine.store, engine.records, settings)
