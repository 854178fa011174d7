"""compose.yaml and deploy/Caddyfile: known keys, settings that exist, and a front that shares out two servers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from builder.environment_file import KNOWN, SECRETS
from shim.settings import ShimSettings
from tests.builder.dockerfile import ROOT, read

FILE = yaml.safe_load((ROOT / "compose.yaml").read_text())
CADDYFILE = ROOT / "deploy" / "Caddyfile"
SERVICES = {"shim", "redis", "caddy"}


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Build(Exact):
    context: str
    target: str


class Healthcheck(Exact):
    test: list[str]
    interval: str
    timeout: str
    retries: int
    start_period: str | None = None


class DependsOn(Exact):
    condition: Literal["service_healthy", "service_started"]


class Replicas(Exact):
    replicas: int


class Service(Exact):
    """The part of Compose's specification that the file uses."""

    image: Annotated[str, Field(pattern=r"^(\$\{\w+:-)?[a-z0-9./-]+:[\w.-]+\}?$")]
    build: Build | None = None
    platform: str | None = None
    command: list[str] | None = None
    env_file: str | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    expose: list[str] = Field(default_factory=list)
    ports: list[str] = Field(default_factory=list)
    volumes: list[str] = Field(default_factory=list)
    networks: list[str]
    depends_on: dict[str, DependsOn] = Field(default_factory=dict)
    deploy: Replicas | None = None
    healthcheck: Healthcheck | None = None
    restart: Literal["unless-stopped"]
    stop_grace_period: str | None = None
    read_only: bool = False
    tmpfs: list[str] = Field(default_factory=list)
    cap_drop: list[str] = Field(default_factory=list)
    security_opt: list[str] = Field(default_factory=list)


class Compose(Exact):
    name: str
    services: dict[str, Service]
    volumes: dict[str, None]
    networks: dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> Compose:
    return Compose.model_validate(FILE)


def test_what_is_named_is_there(compose: Compose) -> None:
    assert compose.services.keys() == SERVICES
    assert not [name for name, service in compose.services.items() if "latest" in service.image]
    for service in compose.services.values():
        assert set(service.networks) <= compose.networks.keys()
        assert all(compose.services[name].healthcheck for name in service.depends_on)
        sources = [volume.split(":")[0] for volume in service.volumes]
        assert all((ROOT / name).exists() if name.startswith(".") else name in compose.volumes for name in sources)


def test_only_the_proxy_is_reached_from_outside(compose: Compose) -> None:
    assert {name for name, service in compose.services.items() if service.ports} == {"caddy"}


def test_the_server_is_the_dockerfiles_and_there_are_two(compose: Compose) -> None:
    shim = compose.services["shim"]
    assert shim.build is not None
    assert shim.build.target in read().stages
    assert shim.deploy == Replicas(replicas=2)
    assert shim.expose == [read().variables("shim")["PORT"]]
    assert shim.healthcheck is not None
    assert f"127.0.0.1:{shim.expose[0]}/ping" in shim.healthcheck.test[-1]


def test_what_it_sets_are_settings_and_no_secrets(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = compose.services["shim"].environment
    assert environment.keys() <= KNOWN
    assert environment.keys() & SECRETS == {"REDIS_URL"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = ShimSettings()
    subnet = compose.networks["inside"]["ipam"]["config"][0]["subnet"]
    assert [str(network) for network in settings.trusted_proxies] == [subnet]
    assert settings.redis_url is not None
    assert "//redis:6379" in settings.redis_url.get_secret_value()


def test_secrets_stay_out_of_the_repository_and_the_images() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/shim.env", "/worker.env"} <= set(ignored)
    assert (ROOT / ".dockerignore").read_text().startswith("*\n")


def test_the_proxy_leads_to_the_servers(compose: Compose) -> None:
    text = CADDYFILE.read_text()
    assert re.search(r"dynamic a \{\s+name shim\s+port 8000\s", text)
    assert set(re.findall(r"\{\$(\w+)", text)) == compose.services["caddy"].environment.keys()


@pytest.mark.skipif(shutil.which("caddy") is None, reason="needs the package caddy")
def test_caddy_takes_its_file(tmp_path: Path) -> None:
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(CADDYFILE)]
    environment = {"DOMAIN": "avatar.example.com", "HOME": str(tmp_path), "PATH": "/usr/bin"}
    finished = subprocess.run(
        [shutil.which("caddy") or "", *command[1:]], env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
