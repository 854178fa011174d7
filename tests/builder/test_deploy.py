"""`python -m builder.deploy` against a server that keeps to RunPod's REST API."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.deploy import main
from builder.deployment import POOLS, TORCH_CUDA
from tests.builder.test_requirements import pins
from tests.servers.runpod_api import KEY, RunPodRest

IMAGE = "ghcr.io/me/talking-avatar:1.2.0"
BUCKET = {
    "BUCKET_ENDPOINT_URL": "https://s3.example.com",
    "BUCKET_NAME": "avatars",
    "BUCKET_ACCESS_KEY_ID": "{{ RUNPOD_SECRET_bucket_id }}",
    "BUCKET_SECRET_ACCESS_KEY": "the-bucket-secret",
    "ELEVENLABS_API_KEY": "the-speech-secret",
    "MAX_CONCURRENCY": "4",
}
SECRETS = (KEY, "the-bucket-secret", "the-speech-secret")


@pytest.fixture
def rest() -> Iterator[RunPodRest]:
    with RunPodRest() as server:
        yield server


@pytest.fixture
def run(rest: RunPodRest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command; its exit code, its output and what it complained of. No secret is in either."""

    def running(
        *arguments: str, variables: dict[str, str] | None = None, image: str = IMAGE, key: str = KEY
    ) -> tuple[int, str, str]:
        lines = [f"{name}={value}" for name, value in (BUCKET if variables is None else variables).items()]
        file = tmp_path / "worker.env"
        file.write_text("# the worker's\n\n" + "\n".join(lines))
        out = io.StringIO()
        given = ["--image", image, "--env-file", str(file), "--api", rest.url, *arguments]
        code = main(given, {"RUNPOD_API_KEY": key}, out)
        complaint = capsys.readouterr().err
        assert not [secret for secret in SECRETS if secret in out.getvalue() + complaint]
        return code, out.getvalue(), complaint

    return running


def test_it_creates_both(run: Any, rest: RunPodRest) -> None:
    code, out, _ = run()
    assert (code, out) == (0, "RUNPOD_ENDPOINT_ID=se1\n")
    assert rest.writes() == [("POST", "/v2/templates"), ("POST", "/v2/serverless")]
    (template,) = rest.kept["templates"].values()
    assert (template["image"], template["env"], template["serverless"]) == (IMAGE, BUCKET, True)
    (endpoint,) = rest.kept["serverless"].values()
    assert endpoint["templateId"] == template["id"]
    assert endpoint["type"] == "QUEUE"
    assert endpoint["gpu"]["pools"] == list(POOLS)
    assert endpoint["scaling"] == {"type": "QUEUE_DELAY", "queueDelay": 4.0}
    assert endpoint["timeout"] == 1_800_000
    assert endpoint["flashboot"] == "FLASHBOOT"
    assert {asked.agent for asked in rest.asked} == {"talking-avatar-deploy"}


@pytest.mark.parametrize("listed_bare", [False, True])
def test_once_more_changes_what_is_there(run: Any, rest: RunPodRest, listed_bare: bool) -> None:
    rest.listed_bare = listed_bare
    run()
    rest.kept["serverless"]["se1"]["name"] += " -fb"
    rest.asked.clear()
    code, out, _ = run("--workers-max", "7", "--queue-delay", "2", image="ghcr.io/me/talking-avatar:1.3.0")
    assert (code, out) == (0, "RUNPOD_ENDPOINT_ID=se1\n")
    assert rest.writes() == [("PATCH", "/v2/templates/te1"), ("PATCH", "/v2/serverless/se1")]
    assert rest.kept["templates"]["te1"]["image"].endswith(":1.3.0")
    assert rest.kept["serverless"]["se1"]["workers"]["max"] == 7
    assert rest.kept["serverless"]["se1"]["scaling"]["queueDelay"] == 2
    assert len(rest.kept["templates"]) == len(rest.kept["serverless"]) == 1


def test_what_failed_half_way_is_finished_by_the_same_command(run: Any, rest: RunPodRest) -> None:
    rest.kept["templates"]["te9"] = {"id": "te9", "name": "talking-avatar", "image": "old:1"}
    assert run()[0] == 0
    assert rest.writes() == [("PATCH", "/v2/templates/te9"), ("POST", "/v2/serverless")]


def test_a_load_balancer_listens_where_it_is_asked(run: Any, rest: RunPodRest) -> None:
    assert run("--load-balanced", "--requests", "4", variables={**BUCKET, "API_KEYS": "alice:" + "0" * 64})[0] == 0
    (template,) = rest.kept["templates"].values()
    assert template["ports"] == ["80/http"]
    assert template["env"]["PORT"] == template["env"]["PORT_HEALTH"] == "80"
    assert template["env"]["HEALTH_CHECK_PATH"] == "/ping"
    (endpoint,) = rest.kept["serverless"].values()
    assert (endpoint["type"], endpoint["scaling"]) == (
        "LOAD_BALANCER",
        {"type": "REQUEST_COUNT", "requestCount": 4},
    )


def test_volumes_and_places_are_passed_on(run: Any, rest: RunPodRest) -> None:
    arguments = ["--network-volume", "vol1", "--data-center", "EU-RO-1", "--registry", "reg1", "--pools", "ADA_48_PRO"]
    variables = {"STORE_DIR": "/runpod-volume/store", "WEIGHTS_DIR": "/runpod-volume/weights"}
    assert run(*arguments, variables=variables)[0] == 0
    (endpoint,) = rest.kept["serverless"].values()
    assert (endpoint["networkVolumes"], endpoint["dataCenterIds"]) == (["vol1"], ["EU-RO-1"])
    assert endpoint["gpu"]["pools"] == ["ADA_48_PRO"]
    assert rest.kept["templates"]["te1"]["registry"] == "reg1"


def test_a_dry_run_prints_what_would_be_sent_and_asks_nobody(run: Any, rest: RunPodRest) -> None:
    code, out, _ = run("--dry-run", key="")
    assert (code, rest.asked) == (0, [])
    assert f"POST {rest.url}/templates" in out
    assert f"POST {rest.url}/serverless" in out
    assert f"PATCH {rest.url}/serverless/" in out
    assert '"BUCKET_SECRET_ACCESS_KEY": "***"' in out
    assert "{{ RUNPOD_SECRET_bucket_id }}" in out
    assert json.dumps(IMAGE) in out


def test_a_dry_run_prints_the_bodies_that_are_sent(run: Any, rest: RunPodRest) -> None:
    plain = {name: value for name, value in BUCKET.items() if name != "ELEVENLABS_API_KEY"}
    plain["BUCKET_SECRET_ACCESS_KEY"] = "{{ RUNPOD_SECRET_bucket_secret }}"
    _, out, _ = run("--dry-run", variables=plain)
    printed = [json.loads("{" + part.split("\n}")[0] + "}") for part in out.split("\n{")[1:]]
    run(variables=plain)
    sent = [asked.body for asked in rest.asked if asked.method == "POST"]
    assert [{**body, "templateId": None} for body in printed] == [{**(body or {}), "templateId": None} for body in sent]


def test_secrets_that_are_none_of_runpods_are_told_of(run: Any) -> None:
    _, _, complaint = run()
    assert "BUCKET_SECRET_ACCESS_KEY is kept in the template" in complaint
    assert "BUCKET_ACCESS_KEY_ID" not in complaint


@pytest.mark.parametrize(
    ("arguments", "given", "told"),
    [
        ([], {"image": "ghcr.io/me/talking-avatar:latest"}, "has no version"),
        ([], {"image": "localhost:5000/talking-avatar"}, "has no version"),
        ([], {"variables": {"MAX_CONCURRENCY": "3"}}, "would die with it"),
        ([], {"variables": {"BUCKET_ENDPOINT_URL": "https://s3.example.com"}}, "set BUCKET_ACCESS_KEY_ID"),
        ([], {"variables": {**BUCKET, "MAX_CONCURENCY": "3"}}, "Did you mean MAX_CONCURRENCY?"),
        ([], {"variables": {"not a": "variable"}}, "is no `NAME=value`"),
        ([], {"key": ""}, "RUNPOD_API_KEY isn't set"),
        ([], {"key": "a\nb"}, "characters that no key has"),
        ([], {"key": "rpa_wrong"}, "RUNPOD_API_KEY is wrong"),
        (["--workers-min", "5"], {}, "lower --workers-min"),
        (["--load-balanced"], {}, "anybody could use it"),
        (["--env-file", "/nowhere.env"], {}, "no readable file"),
        (["--api", "http://rest.example.com/v2"], {}, "has to be an https address"),
        (["--api", "http://127.0.0.1:9/v2"], {}, "can't be reached (ConnectError)"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(
    run: Any, rest: RunPodRest, arguments: list[str], given: dict[str, Any], told: str
) -> None:
    code, out, complaint = run(*arguments, **given)
    assert (code, out, rest.writes()) == (1, "", [])
    assert told in complaint


@pytest.mark.parametrize(
    ("method", "status", "body", "told"),
    [
        ("POST", 422, b'{"detail": "gpu.pools: unknown pool"}', "422 to POST /templates: gpu.pools: unknown pool."),
        ("GET", 403, b'{"detail": "access denied"}', "give it the permission"),
        ("GET", 429, b"{}", "Run the same again"),
        ("POST", 502, b"<html>", "Run the same again"),
        ("POST", 400, f'{{"detail": "{KEY} is no good"}}'.encode(), "*** is no good"),
        ("GET", 200, b"[", "something else than JSON"),
        ("GET", 200, b'{"items": []}', "a form that this version doesn't know"),
        ("POST", 201, b"{}", "has no id"),
    ],
)
def test_a_refusal_is_a_sentence(run: Any, rest: RunPodRest, method: str, status: int, body: bytes, told: str) -> None:
    rest.broken[method] = status, body
    code, out, complaint = run()
    assert (code, out) == (1, "")
    assert told in complaint
    assert complaint.count("\n") == 1


def test_two_of_one_name_are_left_alone(run: Any, rest: RunPodRest) -> None:
    for found_id in ("a", "b"):
        rest.kept["serverless"][found_id] = {"id": found_id, "name": "talking-avatar", "type": "QUEUE"}
    code, _, complaint = run()
    assert code == 1
    assert "There are 2 endpoints called talking-avatar" in complaint
    assert rest.writes() == []


def test_the_kind_of_an_endpoint_stays(run: Any, rest: RunPodRest) -> None:
    run()
    rest.asked.clear()
    code, _, complaint = run("--load-balanced", variables={**BUCKET, "ALLOW_ANONYMOUS": "1"})
    assert code == 1
    assert "is of the kind QUEUE" in complaint
    assert rest.writes() == []


def test_the_floor_for_cuda_is_the_pinned_torchs() -> None:
    assert pins("requirements.txt")["torch"] == TORCH_CUDA[0]
