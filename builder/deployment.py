"""What is deployed, and how RunPod's REST API is told: its paths and fields are those of version 2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from builder.deploy_errors import DeployError
from engine.errors import ConfigurationError
from engine.store.bucket_settings import read_bucket_settings

TORCH_CUDA = ("2.13.0", "13.0")
"""The pinned torch, and the CUDA that its wheel brings: a host's driver has to know it."""

POOLS = ("AMPERE_24", "ADA_24")
"""L4, A5000, 3090 and 4090. All of them have an encoder, which A100 and H100 lack."""

_MOVING = re.compile(r"(:latest|/[^:@]+|^[^:@/]+)$")
_PORT = "80"
_REFERENCE = "{{ RUNPOD_SECRET_"

Kind = Literal["QUEUE", "LOAD_BALANCER"]
FlashBoot = Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"]


@dataclass(frozen=True)
class Deployment:
    """A template and an endpoint of one name. Seconds are seconds, disk_gb gigabytes.

    queue_delay: how long a job waits before another worker is started. requests: at work in a worker before another one
    is started, of a load balancer.
    """

    name: str
    image: str
    variables: Mapping[str, str]
    kind: Kind = "QUEUE"
    pools: tuple[str, ...] = POOLS
    workers_min: int = 0
    workers_max: int = 3
    idle_seconds: int = 5
    queue_delay: float = 4.0
    requests: int = 3
    timeout_seconds: int = 1800
    disk_gb: int = 20
    flashboot: FlashBoot = "FLASHBOOT"
    registry: str | None = None
    network_volumes: tuple[str, ...] = field(default=())
    data_centers: tuple[str, ...] = field(default=())

    def demand_sound(self) -> None:
        """Raises DeployError for what the worker or the platform would refuse later, or what would bite later."""
        if _MOVING.search(self.image):
            raise DeployError(
                f"The image {self.image} has no version, and what lies behind such a name changes under running "
                "workers. Name a tag or a digest, such as ghcr.io/me/talking-avatar:1.2.0."
            )
        if not self.workers_min <= self.workers_max:
            raise DeployError("There can't be more workers at least than at most: lower --workers-min.")
        if not self.variables.keys() & {"BUCKET_ENDPOINT_URL", "STORE_DIR", "INLINE_RESULTS"}:
            raise DeployError(
                "A worker's results would die with it, so it would refuse to start. Put the BUCKET_ variables into the "
                "file, or STORE_DIR below the network volume, or INLINE_RESULTS=1."
            )
        self._demand_bucket()
        self._demand_admission()

    def _demand_bucket(self) -> None:
        """What is a reference to a secret is only known in the worker."""
        if not any(
            self.variables.get(name, "").startswith(_REFERENCE) for name in ("BUCKET_ENDPOINT_URL", "BUCKET_NAME")
        ):
            try:
                read_bucket_settings(self.variables)
            except ConfigurationError as error:
                raise DeployError(error.message) from None

    def _demand_admission(self) -> None:
        keys = {"API_KEYS", "API_KEYS_FILE", "JWT_SECRET", "JWT_JWKS", "ALLOW_ANONYMOUS"}
        if self.kind == "LOAD_BALANCER" and not self.variables.keys() & keys:
            raise DeployError(
                "The REST server would refuse to start, as anybody could use it. Put API_KEYS, JWT_SECRET or JWT_JWKS "
                "into the file; `python -m shim.keys NAME` makes a key."
            )

    @property
    def template(self) -> dict[str, Any]:
        """The container: what POST and PATCH /templates both take."""
        container: dict[str, Any] = {"name": self.name, "image": self.image, "disk": self.disk_gb, "env": self._env}
        if self.kind == "LOAD_BALANCER":
            container["ports"] = [f"{_PORT}/http"]
        return container if self.registry is None else {**container, "registry": self.registry}

    @property
    def endpoint(self) -> dict[str, Any]:
        """What POST and PATCH /serverless both take, but for the template's id."""
        # An empty list beside the floor takes away what an endpoint had before: the two exclude each other.
        gpu = {"pools": list(self.pools), "count": 1, "minCudaVersion": TORCH_CUDA[1], "allowedCudaVersions": []}
        workers = {"min": self.workers_min, "max": self.workers_max, "idleTimeout": self.idle_seconds}
        body: dict[str, Any] = {
            "name": self.name,
            "gpu": gpu,
            "workers": workers,
            "scaling": self._scaling,
            "timeout": self.timeout_seconds * 1000,
            "flashboot": self.flashboot,
        }
        if self.network_volumes:
            body["networkVolumes"] = list(self.network_volumes)
        if self.data_centers:
            body["dataCenterIds"] = list(self.data_centers)
        return body

    @property
    def _scaling(self) -> dict[str, Any]:
        if self.kind == "LOAD_BALANCER":
            return {"type": "REQUEST_COUNT", "requestCount": self.requests}
        return {"type": "QUEUE_DELAY", "queueDelay": self.queue_delay}

    @property
    def _env(self) -> dict[str, str]:
        if self.kind == "QUEUE":
            return dict(self.variables)
        return {"PORT": _PORT, "PORT_HEALTH": _PORT, "HEALTH_CHECK_PATH": "/ping", **self.variables}
