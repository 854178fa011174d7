"""The REST server as it is, but for a store that counts: `python -m bench.polled_server`.

Each line that comes in is answered by one with the requests to the store since the last, by kind, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import cast

from bench.counted_requests import CountedRequests
from engine.store.choose import choose_store
from engine.store.protocol import ObjectStore
from shim.__main__ import serve
from shim.choose import service_over
from shim.settings import read_shim_settings
from shim.warming import listening


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
