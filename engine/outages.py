"""What is away for the moment, as one branch of the tree of engine/errors.py: a retry can help.

- Outage                          503: a retry can help
  - StorageUnavailable            storage_unavailable
  - StorageFull                   storage_full
  - Overloaded                    overloaded
  - DeviceMemoryFull              gpu_memory_full
  - DeviceFailed                  gpu_failed
  - Interrupted                   interrupted
  - PreparationInterrupted        preparation_interrupted
  - QueueUnavailable              queue_unavailable
  - TokenKeysUnavailable          token_keys_unavailable
  - UrlUnavailable                url_unavailable
  - S3ConfigUnavailable           s3_config_unavailable
  - TtsBusy                       tts_busy
  - TtsUnavailable                tts_unavailable
  - TtsBroken                     tts_broken
  - TimestampUnavailable          timestamp_unavailable
"""

from __future__ import annotations

from engine.errors import EngineError


class Outage(EngineError):
    """Something the service needs is away for the moment."""

    code = "overloaded"
    http_status = 503
    retryable = True


class StorageUnavailable(Outage):
    """The object store doesn't answer."""

    code = "storage_unavailable"


class StorageFull(Outage):
    """The disk is full."""

    code = "storage_full"


class Overloaded(Outage):
    """All slots are busy. ``retry_after``: seconds to wait before the next try, where they are known."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeviceMemoryFull(Outage):
    """The GPU has no memory for even a smaller batch: another worker may have."""

    code = "gpu_memory_full"


class DeviceFailed(Outage):
    """The GPU has failed under this worker: another one works."""

    code = "gpu_failed"


class Interrupted(Outage):
    """The work was stopped before it ended."""

    code = "interrupted"


class PreparationInterrupted(Outage):
    """The worker that prepared the session's avatar is gone, and nobody has taken its place."""

    code = "preparation_interrupted"


class QueueUnavailable(Outage):
    """RunPod's queue doesn't answer, or answers that it failed."""

    code = "queue_unavailable"


class TokenKeysUnavailable(Outage):
    """The identity provider's keys, which tokens are checked with, can't be had."""

    code = "token_keys_unavailable"


class UrlUnavailable(Outage):
    """The URL's host is silent, overloaded or too slow for the moment."""

    code = "url_unavailable"


class S3ConfigUnavailable(Outage):
    """The bucket of the job's s3Config is silent, overloaded or failing for the moment."""

    code = "s3_config_unavailable"


class TtsBusy(Outage):
    """The speech service takes no more requests for the moment."""

    code = "tts_busy"


class TtsUnavailable(Outage):
    """The speech service doesn't answer, or answers that it failed."""

    code = "tts_unavailable"


class TtsBroken(Outage):
    """The speech service's reply is damaged or ends too early."""

    code = "tts_broken"


class TimestampUnavailable(Outage):
    """The time-stamping authority gives no stamp for a video's signature."""

    code = "timestamp_unavailable"
