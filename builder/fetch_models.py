"""Fetches the official weights and packs them for the worker: `python -m builder.fetch_models --dir models`.

What is there already is not fetched again, and what was cut off is resumed. Each file is verified by its size and
SHA-256 before it appears under its name. HF_TOKEN, if set, goes to the host of --base-url and nowhere else.

What the networks load is packed into the folder `packed` once: halved in size, with a checksum for every tensor.
That takes torch, unless everything is packed from these very files already. Of all that is here the worker reads only
`packed` and `dwpose`.

Exit codes: 0 all files are there and right; 1 a file can't be had from any source; 2 wrong arguments; 3 the folder
can't be written or is too small; 4 a source wants a token or the acceptance of its terms; 5 the files can't be
packed; 130 stopped by hand.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from builder.downloads import HUB, Downloads, Hub, Persistence, http_client
from builder.fetch_errors import FetchError, FolderFailed
from builder.packing import PackOptions, pack_weights
from builder.progress import Progress, readable
from builder.weights_folder import WeightsFolder
from builder.weights_manifest import MANIFEST, Manifest, WeightFile
from engine.cancel import Cancelled, CancelToken

INTERRUPTED = 130
DTYPES = {"fp16": "float16", "bf16": "bfloat16"}


@dataclass(frozen=True)
class FetchOptions:
    """How files are fetched: whether to hash those that are there, how many at once, and the silence that cuts."""

    verify: bool = False
    parallel: int = 2
    silence_seconds: float = 30.0
    persistence: Persistence = field(default_factory=Persistence)


def fetch_models(
    weights: Sequence[WeightFile], folder: WeightsFolder, hub: Hub, options: FetchOptions, progress: Progress
) -> None:
    """Make the folder hold all these files. FetchError, with a sentence for each file that could not be had."""
    try:
        if not options.verify and all(folder.trusts(weight) for weight in weights):
            return
        with http_client(options.silence_seconds) as client:
            downloads = Downloads(client, hub, progress, CancelToken(), options.persistence)
            waiting = partial(progress.say, "Another process fetches into this folder: waiting for it.")
            with folder.locked(waiting, downloads.pause):
                _mend(weights, folder, downloads, options, progress)
    except OSError as error:
        trouble = error.strerror or str(error)
        raise FolderFailed(f"{folder.path} can't be used: {trouble}. Name another folder with --dir.") from error


def _mend(
    weights: Sequence[WeightFile],
    folder: WeightsFolder,
    downloads: Downloads,
    options: FetchOptions,
    progress: Progress,
) -> None:
    missing = _missing(weights, folder, options.verify, progress)
    folder.require_room(missing)
    progress.expect(sum(weight.bytes for weight in missing))
    _fetch_all(missing, folder, downloads, options.parallel)


def _missing(
    weights: Sequence[WeightFile], folder: WeightsFolder, verify: bool, progress: Progress
) -> list[WeightFile]:
    missing = []
    for weight in weights:
        if not verify and folder.trusts(weight):
            continue
        if folder.place(weight).exists():
            progress.say(f"Hashing {weight.path}.")
        if not folder.holds(weight):
            missing.append(weight)
    return missing


def _fetch_all(missing: Sequence[WeightFile], folder: WeightsFolder, downloads: Downloads, parallel: int) -> None:
    """All of them, also after one has failed, so that the next run has less to do."""
    with ThreadPoolExecutor(parallel, "fetch") as pool:
        fetching = [pool.submit(downloads.fetch, weight, folder) for weight in missing]
        try:
            failures = [error for future in fetching if (error := _failure(future)) is not None]
        except BaseException:
            downloads.stop()
            raise
    if failures:
        worst = max(failures, key=lambda error: error.exit_code)
        raise type(worst)("\n".join(error.message for error in failures))


def _failure(future: Future[None]) -> FetchError | None:
    try:
        future.result()
    except FetchError as error:
        return error
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    progress = Progress(sys.stderr)
    weights = _chosen(given)
    hub = Hub(given.base_url, os.environ.get("HF_TOKEN", "").strip() or None)
    if hub.token is not None and not hub.token_is_safe:
        progress.say("HF_TOKEN is not sent, since the base URL is plain http.")
    options = FetchOptions(given.verify, given.parallel, given.timeout)
    folder = WeightsFolder(given.dir)
    try:
        fetch_models(weights, folder, hub, options, progress)
        if given.pack:
            pack_weights(weights, folder, PackOptions(DTYPES[given.dtype], given.verify), progress)
    except FetchError as error:
        progress.say(error.message)
        return error.exit_code
    except (KeyboardInterrupt, Cancelled):
        progress.say("Stopped. What has come is kept: run the command again to go on.")
        return INTERRUPTED
    total = readable(sum(weight.bytes for weight in weights))
    progress.say(f"All files ({len(weights)}, {total}) are in {given.dir}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m builder.fetch_models", description="Fetches the official weights.")
    parser.add_argument("--dir", type=Path, required=True, help="folder that the weights are put into")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="a file or folder of the manifest; may be repeated"
    )
    parser.add_argument("--base-url", default=HUB, help="host of the repositories (default: %(default)s)")
    parser.add_argument(
        "--verify", action="store_true", help="hash every file again, fetch those that differ, and pack anew"
    )
    parser.add_argument(
        "--parallel", type=int, choices=range(1, 9), default=2, help="files at once (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout", type=float, default=30.0, help="seconds of silence before a retry (default: %(default)s)"
    )
    parser.add_argument("--no-pack", action="store_false", dest="pack", help="leave the files as they come")
    parser.add_argument("--dtype", choices=DTYPES, default="fp16", help="type of packed weights (default: %(default)s)")
    parser.add_argument("--manifest", type=Path, default=MANIFEST, help="another list of files")
    return parser


def _chosen(given: argparse.Namespace) -> tuple[WeightFile, ...]:
    """The files asked for; ends the process with code 2 where the arguments name none."""
    try:
        manifest = Manifest.read(given.manifest)
    except (OSError, ValueError) as error:
        _parser().error(f"{given.manifest} is no manifest: {error}")
    try:
        return manifest.choose(given.only)
    except KeyError as error:
        known = ", ".join(weight.path for weight in manifest.files)
        _parser().error(f"the manifest has no {error}. It has: {known}")


if __name__ == "__main__":
    raise SystemExit(main())
