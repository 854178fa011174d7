"""The requirement files agree with each other."""

from __future__ import annotations

from pathlib import Path

BUILDER = Path(__file__).parents[2] / "builder"


def pins(name: str) -> dict[str, str]:
    lines = (BUILDER / name).read_text().splitlines()
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith(("#", "-r"))]
    assert all("==" in line for line in wanted), f"{name} has a requirement without an exact version"
    return dict(line.split("==") for line in wanted)


def test_the_worker_and_the_laptop_share_their_pins() -> None:
    worker, local = pins("requirements.txt"), pins("requirements-local.txt")
    shared = worker.keys() & local.keys()
    assert worker.keys() - shared == {"onnxruntime", "torch"}
    assert {name: worker[name] for name in shared} == {name: local[name] for name in shared}


def test_the_laptop_needs_no_torch() -> None:
    assert pins("requirements.txt")["torch"] == "2.13.0"
    assert "torch" not in pins("requirements-local.txt")


def test_the_tests_take_the_workers_networks() -> None:
    worker, tests = pins("requirements.txt"), pins("requirements-test.txt")
    assert {name: worker[name] for name in ("onnxruntime", "torch")} == {
        name: tests[name] for name in ("onnxruntime", "torch")
    }


def test_gpl_speech_stays_out_of_the_worker() -> None:
    assert "espeakng-loader" in pins("requirements-local.txt")
    assert "espeakng-loader" not in pins("requirements.txt")


def test_the_server_has_the_laptops_pins_and_nothing_that_draws() -> None:
    server, local = pins("requirements-shim.txt"), pins("requirements-local.txt")
    assert server == {name: local[name] for name in server}
    drawing = {"torch", "opencv-python-headless", "av", "onnxruntime", "scikit-image", "c2pa-python", "runpod"}
    assert not server.keys() & drawing


def test_the_balanced_image_can_hold_both() -> None:
    server, worker = pins("requirements-shim.txt"), pins("requirements.txt")
    shared = server.keys() & worker.keys()
    assert {name: server[name] for name in shared} == {name: worker[name] for name in shared}
