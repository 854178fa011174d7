"""The release workflow: tests before images, every image, by version and never as `latest`."""

from __future__ import annotations

from typing import Any

import yaml

from tests.builder.dockerfile import ROOT, read

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
IMAGES: dict[str, Any] = WORKFLOW["jobs"]["images"]


def step(action: str) -> dict[str, Any]:
    (found,) = [step for step in IMAGES["steps"] if step.get("uses", "").startswith(f"{action}@")]
    return dict(found)


def test_a_versions_tag_starts_it() -> None:
    # YAML 1.1 reads `on` as true.
    assert WORKFLOW[True]["push"]["tags"] == ["v[0-9]+.[0-9]+.[0-9]+"]


def test_nothing_is_pushed_before_the_tests_passed() -> None:
    assert IMAGES["needs"] == "test"
    assert "make test" in [step.get("run") for step in WORKFLOW["jobs"]["test"]["steps"]]
    assert "\ntest:" in (ROOT / "Makefile").read_text()


def test_it_builds_every_image() -> None:
    targets = {entry["target"] for entry in IMAGES["strategy"]["matrix"]["include"]}
    with_command = {name for name, stage in read().stages.items() if stage.of("CMD")}
    assert targets == with_command == {"worker", "shim", "balanced"}


def test_images_have_a_version_and_a_pinned_base() -> None:
    assert step("docker/metadata-action")["with"]["flavor"] == "latest=false"
    built = step("docker/build-push-action")["with"]
    assert built["push"] is True
    assert built["platforms"] == "linux/amd64"
    assert built["build-args"] == "PYTHON_IMAGE=${{ steps.base.outputs.image }}"
    assert f"ARG PYTHON_IMAGE={WORKFLOW['env']['BASE']}\n" in (ROOT / "Dockerfile").read_text()


def test_it_may_do_no_more_than_it_needs() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert IMAGES["permissions"] == {"contents": "read", "packages": "write"}
