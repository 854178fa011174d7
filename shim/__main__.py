"""The REST server: `python -m shim`, at http://127.0.0.1:8000 unless HOST and PORT say otherwise."""

from __future__ import annotations

import logging
import os
import socket
import sys
from contextlib import ExitStack, suppress

import uvicorn

from engine.errors import EngineError
from shim import logs
from shim.app import Service, create_app
from shim.auth.admission import admission_of, announce
from shim.choose import open_service
from shim.generate import body_limit
from shim.heads import BoundedHeads
from shim.settings import read_shim_settings
from shim.warming import BACKLOG, listening, warming

STOP_SECONDS = 5
"""How long requests may go on after the server was told to stop."""

SWITCH_SECONDS = 0.0005
"""How long a thread that draws may keep Python to itself while a request waits. Reading a record takes a dozen system
calls, and after each of them the reader waits so long for its turn."""

KEEP_ALIVE_SECONDS = 75
"""Longer than proxies and clients keep an idle connection: who closes first must not be the one that is about to be
asked."""

logger = logging.getLogger("shim")


def main() -> int:
    """Load, warm, and serve until the terminal or a signal ends it."""
    try:
        settings = read_shim_settings()
        logs.configure(settings.log_format, settings.log_level, os.environ, on_terminal=sys.stderr.isatty())
        announce(admission_of(settings))
        with ExitStack() as stack:
            listener = stack.enter_context(listening(settings.host, settings.port))
            with warming(listener):
                service = stack.enter_context(open_service(settings, os.environ))
            serve(service, listener)
    except EngineError as error:
        sys.stderr.write(f"The server can't start: {error.message}\n")
        return 1
    return 0


def serve(service: Service, listener: socket.socket) -> None:
    """Answer who connects to the socket until told to stop."""
    settings = service.settings
    sys.setswitchinterval(SWITCH_SECONDS)
    config = uvicorn.Config(
        create_app(service),
        settings.host,
        settings.port,
        backlog=BACKLOG,
        http=BoundedHeads,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=body_limit(settings),
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    logger.info("Listening at http://%s:%d; /docs shows the API.", settings.host, settings.port)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    sys.exit(main())
