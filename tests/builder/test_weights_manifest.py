from __future__ import annotations

import pytest
from pydantic import ValidationError

from builder.weights_manifest import DirectFile, HubFile, Manifest, WeightFile

SHA = "0" * 64
REVISION = "1" * 40


def test_the_manifest_lists_what_the_four_networks_and_the_pose_need() -> None:
    manifest = Manifest.read()
    assert {weight.path for weight in manifest.files} == {
        "musetalkV15/unet.pth",
        "musetalkV15/musetalk.json",
        "sd-vae/config.json",
        "sd-vae/diffusion_pytorch_model.safetensors",
        "whisper/config.json",
        "whisper/preprocessor_config.json",
        "whisper/model.safetensors",
        "dwpose/dw-ll_ucoco_384.onnx",
        "face-parse-bisent/79999_iter.pth",
    }
    assert sum(weight.bytes for weight in manifest.files) == 4_073_656_719


def test_each_file_is_pinned_and_the_face_parser_has_mirrors() -> None:
    first = {weight.path: weight.sources[0] for weight in Manifest.read().files}
    assert all(isinstance(source, HubFile) for source in first.values())
    parser = Manifest.read().choose(["face-parse-bisent"])[0]
    hosts = [source.repo if isinstance(source, HubFile) else source.url for source in parser.sources]
    assert len(hosts) == len(set(hosts)) == 3


def test_a_hub_address_names_the_revision() -> None:
    source = HubFile(repo="openai/whisper-tiny", revision=REVISION, file="a b.json")
    assert (
        source.address("http://host:1/hub/") == f"http://host:1/hub/openai/whisper-tiny/resolve/{REVISION}/a%20b.json"
    )


def test_files_are_chosen_by_path_or_folder_and_in_the_manifests_order() -> None:
    manifest = Manifest.read()
    chosen = manifest.choose(["whisper/", "sd-vae/config.json"])
    assert [weight.path for weight in chosen] == [
        "sd-vae/config.json",
        "whisper/config.json",
        "whisper/preprocessor_config.json",
        "whisper/model.safetensors",
    ]
    assert manifest.choose([]) == manifest.files
    with pytest.raises(KeyError, match="whisp"):
        manifest.choose(["whisper", "whisp"])


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../up", "a/../../up", ".hidden", "a/.part"])
def test_a_path_stays_inside_the_folder(path: str) -> None:
    with pytest.raises(ValidationError):
        WeightFile(path=path, bytes=1, sha256=SHA, sources=(DirectFile(url="https://host/file"),))


@pytest.mark.parametrize("revision", ["main", "1" * 39, ""])
def test_a_revision_that_can_move_is_refused(revision: str) -> None:
    with pytest.raises(ValidationError):
        HubFile(repo="a/b", revision=revision, file="c")


@pytest.mark.parametrize("url", ["ftp://host/file", "https://user:word@host/file", "file:///x"])
def test_a_direct_address_is_plain(url: str) -> None:
    with pytest.raises(ValidationError):
        DirectFile(url=url)
