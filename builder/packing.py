"""Packing what was fetched into what the worker loads. torch is imported only where there is something to pack."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from builder.fetch_errors import FolderFailed, PackFailed
from builder.progress import Progress
from builder.weights_folder import WeightsFolder
from builder.weights_manifest import WeightFile
from engine.errors import WeightsDamaged, WeightsMissing
from engine.nets.weight_files import MADE_OF, PACKED_FOLDER, Official, is_stamped, stamp_for

if TYPE_CHECKING:
    from engine.nets.networks import NetworkConfigs

WITHOUT_TORCH = (
    "Packing the weights needs torch, which is not installed here. Install it with "
    "`pip install -r builder/requirements.txt` and run the command again, or fetch only, with --no-pack."
)


@dataclass(frozen=True)
class PackOptions:
    """How weights are packed: torch's name of the type, and whether to pack also what is packed already."""

    dtype: str = "float16"
    again: bool = False


def pack_weights(
    weights: Sequence[WeightFile],
    folder: WeightsFolder,
    options: PackOptions,
    progress: Progress,
    configs: NetworkConfigs | None = None,
) -> None:
    """Pack those of ``weights`` that the networks load, each of which the folder holds; by default official sizes.

    What bears the stamp of its source already is left as it is. FetchError where something can't be packed.
    """
    if not _unpacked(weights, folder, options):
        return
    pack = _packer(configs)
    try:
        with folder.locked(partial(progress.say, "Another process packs in this folder: waiting for it."), time.sleep):
            for weight in _unpacked(weights, folder, options):
                progress.say(f"Packing {weight.path}.")
                pack(weight, folder, options.dtype)
    except (WeightsDamaged, WeightsMissing) as error:
        raise PackFailed(str(error)) from error
    except (OSError, SafetensorError) as error:
        raise FolderFailed(f"The packed weights can't be written to {folder.path / PACKED_FOLDER}: {error}.") from error


def _unpacked(weights: Sequence[WeightFile], folder: WeightsFolder, options: PackOptions) -> list[WeightFile]:
    official = [weight for weight in weights if weight.path in set(Official)]
    return [weight for weight in official if options.again or not _is_packed(weight, folder, options.dtype)]


def _is_packed(weight: WeightFile, folder: WeightsFolder, dtype: str) -> bool:
    packed = folder.path / PACKED_FOLDER
    return all(
        is_stamped(packed / made, stamp_for(made, weight.sha256, dtype))
        for made, source in MADE_OF.items()
        if source == weight.path
    )


def _packer(configs: NetworkConfigs | None) -> Callable[[WeightFile, WeightsFolder, str], None]:
    try:
        from engine.nets.networks import NetworkConfigs
        from engine.nets.packing import pack
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise PackFailed(WITHOUT_TORCH) from error
    sizes = configs or NetworkConfigs()

    def pack_one(weight: WeightFile, folder: WeightsFolder, dtype: str) -> None:
        packed = folder.path / PACKED_FOLDER
        pack(Official(weight.path), folder.place(weight), weight.sha256, packed, sizes, dtype)

    return pack_one
