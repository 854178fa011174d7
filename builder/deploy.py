"""Creates the template and the endpoint on RunPod, or brings them up to date:

    python -m builder.deploy --image ghcr.io/me/talking-avatar:1.2.0 --env-file worker.env

Both are found by --name, so the same command may run as often as it likes, and --image alone is an upgrade or a
rollback. --dry-run prints the requests, with secrets hidden, and sends none. RUNPOD_API_KEY opens the API.

Exit codes: 0 deployed; 1 it failed, with a sentence that says why; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

from pydantic import SecretStr

from builder.deploy_errors import DeployError
from builder.deployment import POOLS, Deployment
from builder.environment_file import is_secret, read_environment, shown
from builder.runpod_api import RUNPOD_API, Api, Folder, Found, RunPodApi

_ONLY_AT_CREATION = {"serverless": True}


def deploy(deployment: Deployment, api: Api) -> Found:
    """Make RunPod have it; the endpoint as RunPod tells it. Raises DeployError."""
    deployment.demand_sound()
    found = api.named("serverless", deployment.name)
    if found is not None and found.get("type", deployment.kind) != deployment.kind:
        raise DeployError(
            f"The endpoint {deployment.name} is of the kind {found['type']}, which can't be changed. Choose another "
            "--name, or delete it first."
        )
    template = _kept(api, "templates", api.named("templates", deployment.name), deployment.template, _ONLY_AT_CREATION)
    body = {**deployment.endpoint, "templateId": template["id"]}
    return _kept(api, "serverless", found, body, {"type": deployment.kind})


def _kept(api: Api, folder: Folder, found: Found | None, body: dict[str, Any], at_creation: dict[str, Any]) -> Found:
    if found is None:
        return api.create(folder, {**body, **at_creation})
    return api.update(folder, found["id"], body)


class DryRun:
    """An Api that has nothing yet, prints what it is sent, and sends nothing."""

    def __init__(self, base_url: str, out: TextIO) -> None:
        self._base_url = base_url.rstrip("/")
        self._out = out

    def named(self, folder: Folder, name: str) -> None:
        self._out.write(f"GET {self._base_url}/{folder}\n")

    def create(self, folder: Folder, body: dict[str, Any]) -> Found:
        hidden = {**body, "env": shown(body["env"])} if "env" in body else body
        self._out.write(f"POST {self._base_url}/{folder}\n{json.dumps(hidden, indent=2)}\n")
        self._out.write(f"   or, where one of that name exists: PATCH {self._base_url}/{folder}/(its id)\n")
        return {"id": f"(the id of /{folder})"}

    def update(self, folder: Folder, found_id: str, body: dict[str, Any]) -> Found:
        raise NotImplementedError


def main(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO) -> int:
    """Do what the command line says; the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        deployment = _deployment(asked)
        if asked.dry_run:
            deploy(deployment, DryRun(asked.api, out))
            return 0
        with closing(RunPodApi(_key(environment), asked.api)) as api:
            endpoint = deploy(deployment, api)
    except DeployError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    out.write(f"RUNPOD_ENDPOINT_ID={endpoint['id']}\n")
    for name in sorted(name for name, value in deployment.variables.items() if is_secret(name, value)):
        sys.stderr.write(f"{name} is kept in the template: a RunPod secret, {{{{ RUNPOD_SECRET_… }}}}, hides it.\n")
    return 0


def _key(environment: Mapping[str, str]) -> SecretStr:
    key = environment.get("RUNPOD_API_KEY", "").strip()
    if not key:
        raise DeployError("RUNPOD_API_KEY isn't set: make a key in RunPod's console, or try --dry-run.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise DeployError("RUNPOD_API_KEY holds characters that no key has; copy it again.")
    return SecretStr(key)


def _deployment(asked: argparse.Namespace) -> Deployment:
    return Deployment(
        name=asked.name,
        image=asked.image,
        variables=read_environment(asked.env_file),
        kind="LOAD_BALANCER" if asked.load_balanced else "QUEUE",
        pools=tuple(asked.pools.split(",")),
        workers_min=asked.workers_min,
        workers_max=asked.workers_max,
        idle_seconds=asked.idle_seconds,
        queue_delay=asked.queue_delay,
        requests=asked.requests,
        timeout_seconds=asked.timeout_seconds,
        disk_gb=asked.disk_gb,
        flashboot=asked.flashboot,
        registry=asked.registry,
        network_volumes=tuple(asked.network_volume),
        data_centers=tuple(asked.data_center),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m builder.deploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Deployment("", "", {})
    add = parser.add_argument
    add("--image", required=True, help="with a tag or digest of its own, never :latest")
    add("--env-file", required=True, type=Path, help="the worker's variables, NAME=value a line")
    add("--name", default="talking-avatar", help="of the template and the endpoint")
    add("--load-balanced", action="store_true", help="a load-balancing endpoint, of the image `balanced`")
    add("--pools", default=",".join(POOLS), help="GPU pools, separated by commas (default: %(default)s)")
    add("--workers-min", type=int, default=default.workers_min, help="workers that are always there, and cost always")
    add("--workers-max", type=int, default=default.workers_max, help="most workers (default: %(default)s)")
    add("--idle-seconds", type=int, default=default.idle_seconds, help="before an idle worker goes (%(default)s)")
    add("--queue-delay", type=float, default=default.queue_delay, help="seconds a job waits for another worker")
    add("--requests", type=int, default=default.requests, help="of a worker, before the balancer starts another")
    add("--timeout-seconds", type=int, default=default.timeout_seconds, help="longest job (default: %(default)s)")
    add("--disk-gb", type=int, default=default.disk_gb, help="container disk (default: %(default)s)")
    add("--flashboot", choices=("OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"), default=default.flashboot)
    add("--registry", help="id of a registry's credentials, for a private image")
    add("--network-volume", action="append", default=[], metavar="ID", help="may be given several times")
    add("--data-center", action="append", default=[], metavar="ID", help="may be given several times")
    add("--api", default=RUNPOD_API, help=argparse.SUPPRESS)
    add("--dry-run", action="store_true", help="print the requests, with secrets hidden, and send none")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, sys.stdout))
