"""The REST server as it is, but for a store that counts: `python -m bench.polled_server`.

Each line that comes in is answered by one with the requests to the store since the last, by kind, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from typing import Any, cast

from engine.store.choose import choose_store
from engine.store.protocol import ObjectStore
from shim.__main__ import serve
from shim.choose import service_over
from shim.settings import read_shim_settings
from shim.warming import listening


class CountedRequests:
    """Any store, whose every call counts as a request."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._counts: Counter[str] = Counter()
        self._counting = threading.Lock()

    def since_last(self) -> Counter[str]:
        with self._counting:
            counts, self._counts = self._counts, Counter()
        return counts

    def __getattr__(self, name: str) -> Any:
        with self._counting:
            self._counts[name] += 1
        return getattr(self._store, name)


def main() -> None:
    settings = read_shim_settings()
    store = CountedRequests(choose_store(settings, os.environ))
    with service_over(cast(ObjectStore, store), settings) as service:
        threading.Thread(target=_answer, args=(store,), daemon=True).start()
        serve(service, listening(settings.host, settings.port))


def _answer(store: CountedRequests) -> None:
    for _ in sys.stdin:
        print(json.dumps(store.since_last()), flush=True)


if __name__ == "__main__":
    main()
