"""One weight file from its sources: resumed, retried, verified to the byte, and put in place in one step."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from builder.fetch_errors import SourceFailed
from builder.part_file import Origin, PartFile
from builder.progress import Progress, readable
from builder.source_answers import Broken, offset_of, require_answer
from builder.weights_folder import WeightsFolder
from builder.weights_manifest import DirectFile, HubFile, WeightFile
from engine.cancel import CancelToken

HUB = "https://huggingface.co"
MAX_REDIRECTS = 5

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Hub:
    """Where repositories are read from, and the account's token, which no other host is ever sent."""

    base_url: str = HUB
    token: str | None = None

    @property
    def token_is_safe(self) -> bool:
        """Whether the token would not cross a network in the clear."""
        base = httpx.URL(self.base_url)
        return base.scheme == "https" or base.host in _LOOPBACK

    def credentials(self, source: HubFile | DirectFile) -> dict[str, str]:
        if self.token is None or not self.token_is_safe or not isinstance(source, HubFile):
            return {}
        return {"Authorization": f"Bearer {self.token}"}

    def address(self, source: HubFile | DirectFile) -> str:
        return source.address(self.base_url) if isinstance(source, HubFile) else source.url


@dataclass(frozen=True)
class Persistence:
    """How often one source is tried in a row without getting further, and the seconds waited in between."""

    tries: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    enough_progress: int = 1 << 20

    def wait(self, failures: int, asked_for: float) -> float:
        """Doubled after each failure, or as long as the server asked for."""
        return min(self.longest_wait, max(self.first_wait * 2.0 ** (failures - 1), asked_for))


def http_client(silence_seconds: float) -> httpx.Client:
    """The client of all downloads. Proxies of the environment are used; a redirect to another host loses the token."""
    return httpx.Client(
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        timeout=httpx.Timeout(silence_seconds, connect=min(10.0, silence_seconds)),
        headers={"Accept-Encoding": "identity", "User-Agent": "talking-avatar"},
    )


class Downloads:
    """Fetches weight files into a folder."""

    def __init__(
        self,
        client: httpx.Client,
        hub: Hub,
        progress: Progress,
        cancel: CancelToken,
        persistence: Persistence,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._hub = hub
        self._progress = progress
        self._cancel = cancel
        self._persistence = persistence
        self._sleep = sleep

    def fetch(self, weight: WeightFile, folder: WeightsFolder) -> None:
        """Try each source in turn; the first one's error stands when all of them fail. Cancelled."""
        failures: list[SourceFailed] = []
        for source in weight.sources:
            try:
                self._fetch_from(source, weight, folder)
                return
            except SourceFailed as error:
                failures.append(error)
                if source is not weight.sources[-1]:
                    self._progress.say(f"{error.message} Trying the next source.")
        raise failures[0]

    def stop(self) -> None:
        """Make every fetch end with Cancelled at its next chunk of bytes."""
        self._cancel.cancel()

    def pause(self, seconds: float) -> None:
        """Sleep in slices, so that a cancel is seen. Cancelled."""
        while seconds > 0:
            self._cancel.check()
            self._sleep(min(seconds, 0.1))
            seconds -= 0.1

    def _fetch_from(self, source: HubFile | DirectFile, weight: WeightFile, folder: WeightsFolder) -> None:
        part = PartFile(folder.place(weight))
        attempt = _Attempt(self._client, self._hub, source, weight, part, self._progress, self._cancel)
        failures = 0
        while True:
            self._cancel.check()
            before = part.size
            try:
                attempt.run()
                folder.stamp(weight)
                return
            except Broken as error:
                further = part.size - before >= self._persistence.enough_progress
                failures = 1 if further else failures + 1
                if failures >= self._persistence.tries:
                    raise SourceFailed(
                        f"{error.message} It was tried {failures} times; run the command again."
                    ) from error
                wait = self._persistence.wait(failures, error.asked_for)
                self._progress.say(f"{error.message} Trying again in {wait:g} s.")
                self.pause(wait)


@dataclass(frozen=True)
class _Attempt:
    """One request for what is missing of a file. Broken: another may succeed; SourceFailed: none will."""

    client: httpx.Client
    hub: Hub
    source: HubFile | DirectFile
    weight: WeightFile
    part: PartFile
    progress: Progress
    cancel: CancelToken

    @property
    def title(self) -> str:
        return f"{self.weight.path} from {httpx.URL(self.hub.address(self.source)).host}"

    def run(self) -> None:
        self._drop_surplus()
        resumed = self.part.size > 0
        digest = self.part.digest()
        if self.part.size < self.weight.bytes:
            digest, resumed = self._receive(digest)
        self._verify(digest, resumed)
        self.part.finish()

    def _drop_surplus(self) -> None:
        if self.part.size > self.weight.bytes:
            self.part.discard()
        self.progress.hold(self.weight.path, self.part.size)

    def _receive(self, digest: hashlib._Hash) -> tuple[hashlib._Hash, bool]:
        """Stream the rest onto the disk; the digest of the whole, and whether an older part went into it."""
        address = self.hub.address(self.source)
        try:
            with self.client.stream("GET", address, headers=self._headers(address)) as response:
                require_answer(response, self.weight, self.source, self.title, self.hub.token is not None)
                offset = offset_of(response, self.part.size, self.weight, self.title)
                if offset is None:
                    self.part.discard()
                    raise Broken(f"{self.title} can't be resumed where it stopped.")
                if offset == 0:
                    self.part.begin(Origin(address=address, validator=_validator(response)))
                    self.progress.hold(self.weight.path, 0)
                    digest = hashlib.sha256()
                self._append(response, digest)
                return digest, offset > 0
        except httpx.TooManyRedirects as error:
            raise SourceFailed(f"{self.title} redirects more than {MAX_REDIRECTS} times.") from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Broken(f"{self.title} can't be had: no connection ({error}).") from error
        except httpx.TransportError as error:
            raise Broken(f"{self.title} broke off ({type(error).__name__}).") from error

    def _headers(self, address: str) -> dict[str, str]:
        headers = self.hub.credentials(self.source)
        if self.part.size:
            headers["Range"] = f"bytes={self.part.size}-"
            if validator := self.part.validator(address):
                headers["If-Range"] = validator
        return headers

    def _append(self, response: httpx.Response, digest: hashlib._Hash) -> None:
        room = self.weight.bytes - self.part.size
        with self.part.path.open("ab") as file:
            for chunk in response.iter_raw():
                self.cancel.check()
                room -= len(chunk)
                if room < 0:
                    break
                file.write(chunk)
                digest.update(chunk)
                self.progress.arrive(self.weight.path, len(chunk))
            file.flush()
            os.fsync(file.fileno())
        if room < 0:
            self.part.discard()
            raise SourceFailed(f"{self.title} is larger than the {readable(self.weight.bytes)} it should have.")
        if room > 0:
            raise Broken(f"{self.title} ended {readable(room)} too early.")

    def _verify(self, digest: hashlib._Hash, resumed: bool) -> None:
        """Wrong bytes end the source, unless an older part is among them, which may be what is wrong."""
        if digest.hexdigest() == self.weight.sha256:
            return
        self.part.discard()
        if resumed:
            raise Broken(f"{self.title} doesn't fit to the part that was there; it starts anew.")
        raise SourceFailed(f"{self.title} has other bytes than it should (its SHA-256 differs).")


def _validator(response: httpx.Response) -> str | None:
    """A strong ETag, or else the time of the last change; nothing weaker may stand in If-Range (RFC 9110, 13.1.5)."""
    etag = response.headers.get("ETag")
    if etag is not None:
        return str(etag) if etag.startswith('"') else None
    changed = response.headers.get("Last-Modified")
    return None if changed is None else str(changed)
