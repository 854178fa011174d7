"""Packing what was fetched: once, from these very files, and with torch only where there is something to do."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.network_sizes import FULL, QUICK
from bench.seeded_weights import official_layout, seeded_state, write_seeded
from builder.fetch_errors import FolderFailed, PackFailed
from builder.packing import PackOptions, pack_weights
from builder.progress import Progress
from builder.weights_folder import WeightsFolder, digest_of
from builder.weights_manifest import DirectFile, Manifest, WeightFile
from engine.nets.weight_files import PACKED_FOLDER, Official, Packed
from tests.nets.tiny_weights import legacy
from tests.wire_server import serving, whole


def listed(folder: Path, paths: Sequence[str], url: str = "http://host/file") -> list[WeightFile]:
    """The files as a manifest would list them."""
    return [
        WeightFile(
            path=str(path),
            bytes=(folder / path).stat().st_size,
            sha256=digest_of(folder / path),
            sources=(DirectFile(url=url),),
        )
        for path in paths
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_seeded(tmp_path, QUICK, seed=0)
    return tmp_path


Pack = Callable[..., str]
ONCE = PackOptions()


@pytest.fixture
def pack(folder: Path) -> Pack:
    def packed(paths: Sequence[str] = tuple(Official), options: PackOptions = ONCE) -> str:
        said = io.StringIO()
        pack_weights(listed(folder, paths), WeightsFolder(folder), options, Progress(said), QUICK)
        return said.getvalue()

    return packed


def made(folder: Path) -> dict[str, int]:
    """When each packed file was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / PACKED_FOLDER).iterdir()}


def test_all_is_packed_once(folder: Path, pack: Pack) -> None:
    assert pack() == "".join(f"Packing {official}.\n" for official in Official)
    before = made(folder)
    assert set(before) == set(Packed)
    assert pack() == ""
    assert made(folder) == before


def test_files_that_no_network_loads_are_left_alone(folder: Path, pack: Pack) -> None:
    assert pack(["whisper/config.json"]) == ""
    assert not (folder / PACKED_FOLDER).exists()


def test_only_what_is_asked_for_is_packed(folder: Path, pack: Pack) -> None:
    assert pack([Official.VAE]) == f"Packing {Official.VAE}.\n"
    assert set(made(folder)) == {Packed.VAE_ENCODER, Packed.VAE_DECODER}


def test_a_source_that_changed_is_packed_anew(folder: Path, pack: Pack) -> None:
    pack()
    state = seeded_state(official_layout(QUICK)[Official.WHISPER], seed=7)
    save_file(state, folder / Official.WHISPER)
    assert pack() == f"Packing {Official.WHISPER}.\n"
    found = load_file(folder / PACKED_FOLDER / Packed.WHISPER)
    assert torch.equal(found["conv1.bias"], state["model.encoder.conv1.bias"].half())


@pytest.mark.parametrize("content", [None, b"", b"text instead"])
def test_a_packed_file_that_is_none_is_packed_anew(folder: Path, pack: Pack, content: bytes | None) -> None:
    pack()
    place = folder / PACKED_FOLDER / Packed.VAE_DECODER
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    assert pack() == f"Packing {Official.VAE}.\n"
    assert load_file(place)


def test_a_type_that_changed_is_packed_anew_but_for_the_face_parser(folder: Path, pack: Pack) -> None:
    pack()
    assert Official.BISENET not in pack(options=PackOptions("bfloat16"))
    types = {packed: load_file(folder / PACKED_FOLDER / packed) for packed in Packed}
    for packed, tensors in types.items():
        wanted = {torch.float32, torch.int64} if packed is Packed.BISENET else {torch.bfloat16}
        assert {tensor.dtype for tensor in tensors.values()} == wanted


def test_again_packs_what_looks_right(folder: Path, pack: Pack) -> None:
    pack()
    place = folder / PACKED_FOLDER / Packed.UNET
    good = place.read_bytes()
    place.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert pack() == ""
    assert pack(options=PackOptions(again=True)).count("Packing") == len(Official)
    assert len(place.read_bytes()) == len(good)
    found, expected = load_file(place), place.with_name("expected")
    expected.write_bytes(good)
    assert all(torch.equal(found[key], value) for key, value in load_file(expected).items())


def test_a_file_that_fits_no_network_is_named_with_the_key(folder: Path, pack: Pack) -> None:
    state = seeded_state(official_layout(QUICK)[Official.BISENET], seed=0)
    del state["ffm.conv1.weight"]
    legacy(state, folder / Official.BISENET)
    with pytest.raises(PackFailed, match=r"79999_iter\.pth.*lacks ffm\.conv1\.weight") as caught:
        pack()
    assert caught.value.exit_code == 5
    assert set(made(folder)) == set(Packed) - {Packed.BISENET}


def test_a_folder_that_cannot_be_written_is_said_so(folder: Path, pack: Pack) -> None:
    (folder / PACKED_FOLDER).write_bytes(b"")
    with pytest.raises(FolderFailed, match="can't be written"):
        pack()


PARSER = Official.BISENET


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face parser's file of the official size, and beside it a manifest that lists it alone."""
    place = tmp_path_factory.mktemp("source") / PARSER
    place.parent.mkdir(parents=True)
    legacy(seeded_state(official_layout(FULL)[PARSER], seed=0), place)
    return place


def run(parser: Path, folder: Path, *more: str, modules: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command with a server that has the file; ``modules`` is searched for modules before all else."""
    with serving(lambda connection, asked: connection.sendall(whole(parser.read_bytes()))) as server:
        weights = listed(parser.parents[1], [PARSER], f"http://127.0.0.1:{server.port}/79999_iter.pth")
        manifest = folder.with_suffix(".json")
        manifest.write_text(Manifest(files=tuple(weights)).model_dump_json())
        command = [sys.executable, "-m", "builder.fetch_models", "--dir", str(folder), "--manifest", str(manifest)]
        environment = {**os.environ, "PYTHONPATH": str(modules or "")}
        return subprocess.run([*command, *more], capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def no_torch(tmp_path: Path) -> Path:
    """A folder of modules in which torch is one that can't be found."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "torch.py").write_text('raise ModuleNotFoundError("No module named \'torch\'", name="torch")\n')
    return folder


def test_the_command_packs_and_its_second_run_needs_no_torch(parser: Path, tmp_path: Path, no_torch: Path) -> None:
    folder = tmp_path / "models"
    first = run(parser, folder)
    began = time.monotonic()
    second = run(parser, folder, modules=no_torch)
    assert time.monotonic() - began < 10
    assert first.returncode == second.returncode == 0
    assert first.stderr.splitlines()[0] == f"Packing {PARSER}."
    assert second.stderr.startswith("All files (1, 53.3 MB) are in ")
    state, packed = torch.load(parser, weights_only=True), load_file(folder / PACKED_FOLDER / Packed.BISENET)
    assert all(torch.equal(packed[key], value) for key, value in state.items())


def test_without_torch_the_command_says_what_to_install_and_keeps_the_files(
    parser: Path, tmp_path: Path, no_torch: Path
) -> None:
    folder = tmp_path / "models"
    refused = run(parser, folder, modules=no_torch)
    assert refused.returncode == 5
    assert "pip install -r builder/requirements.txt" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (folder / PARSER).stat().st_size == parser.stat().st_size
    kept = run(parser, folder, "--no-pack", modules=no_torch)
    assert kept.returncode == 0
    assert not (folder / PACKED_FOLDER).exists()


def test_the_command_mends_a_packed_file(parser: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    run(parser, folder, "--dtype", "bf16")
    place = folder / PACKED_FOLDER / Packed.BISENET
    place.write_bytes(place.read_bytes()[:-1] + b"?")
    mended = run(parser, folder, "--verify")
    assert mended.returncode == 0
    assert "Hashing" in mended.stderr
    assert "Packing" in mended.stderr
    state, packed = torch.load(parser, weights_only=True), load_file(place)
    assert all(torch.equal(packed[key], value) for key, value in state.items())
