"""Everything that can go wrong for a caller, as one tree.

- EngineError
  - InputError                      400: the request has to change before it can succeed
    - InvalidInput                  invalid_input
    - UnknownAction                 unknown_action
    - InvalidText                   invalid_text
    - TextTooLong                   text_too_long
    - AvatarNotAllowed              avatar_not_allowed
    - AvatarBlocked                 403 avatar_blocked
    - AvatarNotFound                avatar_not_found
    - AvatarTooLarge                avatar_too_large
    - AvatarTooLong                 avatar_too_long
    - MediaUnreadable               media_unreadable
    - NoFace                        no_face
    - AudioUnreadable               audio_unreadable
    - AudioTooShort                 audio_too_short
    - AudioTooLong                  audio_too_long
    - AudioTooLarge                 audio_too_large
    - AudioSilent                   audio_silent
    - SessionNotReady               session_not_ready
    - SessionFailed                 session_failed
    - UrlNotAllowed                 url_not_allowed
    - UrlUnreachable                url_unreachable
    - DownloadTooLarge              download_too_large
    - S3ConfigInvalid               s3_config_invalid
    - S3ConfigRejected              s3_config_rejected
    - VoiceNotAvailable             voice_not_available
    - TtsRejected                   tts_rejected
  - Unauthorized                    401 unauthorized
  - SessionNotFound                 404 session_not_found
  - Conflict                        409 conflict
  - IdempotencyConflict             422 idempotency_conflict
  - StillRunning                    504 still_running
  - OperatorError                   500: the service has to change
    - SpeechNotConfigured           tts_not_configured
    - TtsMisconfigured              502 tts_misconfigured
    - TtsQuotaExceeded              503 tts_quota_exceeded
    - ConfigurationError            configuration_error
    - WeightsMissing                weights_missing
    - WeightsDamaged                weights_damaged
    - InternalError                 internal_error
      - BundleDamaged               internal_error
      - RecordDamaged               internal_error
    - ResultTooLarge                result_too_large
    - ResultRefused                 result_refused
    - KeepsCrashing                 keeps_crashing
    - SigningFailed                 signing_failed
  - Outage                        503, engine/outages.py

A message is a sentence for the caller: it says what was wrong and what to do, and never holds a
secret, a path of the host or a traceback.
"""

from __future__ import annotations

from typing import ClassVar


class EngineError(Exception):
    """An error with a stable code. ``message`` is shown to the caller as it is."""

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InputError(EngineError):
    """The request can't succeed as it stands."""

    code = "invalid_input"
    http_status = 400


class InvalidInput(InputError):
    """A field is missing, unknown, of the wrong type or out of range."""


class UnknownAction(InputError):
    """``action`` names nothing the worker does."""

    code = "unknown_action"


class InvalidText(InputError):
    """The text is empty or can't be spoken."""

    code = "invalid_text"


class TextTooLong(InputError):
    """The text is longer than the limit."""

    code = "text_too_long"


class AvatarNotAllowed(InputError):
    """The avatar's path or address is one the service doesn't open."""

    code = "avatar_not_allowed"


class AvatarBlocked(InputError):
    """The operator has blocked this avatar."""

    code = "avatar_blocked"
    http_status = 403


class AvatarNotFound(InputError):
    """Nothing lies where the avatar was said to be."""

    code = "avatar_not_found"


class AvatarTooLarge(InputError):
    """The avatar has more bytes or pixels than the limit."""

    code = "avatar_too_large"


class AvatarTooLong(InputError):
    """The avatar plays longer than the limit."""

    code = "avatar_too_long"


class MediaUnreadable(InputError):
    """The avatar's file is not a video or picture that can be decoded."""

    code = "media_unreadable"


class NoFace(InputError):
    """Too few of the avatar's frames show a face."""

    code = "no_face"


class AudioUnreadable(InputError):
    """The sound is not base64, not sound, or can't be decoded."""

    code = "audio_unreadable"


class AudioTooShort(InputError):
    """The sound is empty or shorter than the shortest that makes a video."""

    code = "audio_too_short"


class AudioTooLong(InputError):
    """The sound plays longer than the limit."""

    code = "audio_too_long"


class AudioTooLarge(InputError):
    """The sound has more bytes than the limit."""

    code = "audio_too_large"


class AudioSilent(InputError):
    """The sound holds nothing but silence."""

    code = "audio_silent"


class SessionNotReady(InputError):
    """The session's avatar is still being prepared."""

    code = "session_not_ready"


class SessionFailed(InputError):
    """The session's avatar could not be prepared."""

    code = "session_failed"


class UrlNotAllowed(InputError):
    """The URL is of a form, or leads to a host, that the service doesn't fetch from."""

    code = "url_not_allowed"


class UrlUnreachable(InputError):
    """The URL's host doesn't exist, refuses the request, or sends no file: asking again won't help."""

    code = "url_unreachable"


class DownloadTooLarge(InputError):
    """What lies at the URL has more bytes than the limit."""

    code = "download_too_large"


class S3ConfigInvalid(InputError):
    """A field of the job's s3Config is missing or wrong, or its endpoint is one the service doesn't connect to."""

    code = "s3_config_invalid"


class S3ConfigRejected(InputError):
    """The bucket of the job's s3Config is not there, or refuses the key or the request."""

    code = "s3_config_rejected"


class VoiceNotAvailable(InputError):
    """The speech service has no such voice, or not for this account."""

    code = "voice_not_available"


class TtsRejected(InputError):
    """The speech service refuses this text, model or setting."""

    code = "tts_rejected"


class Unauthorized(EngineError):
    """The request shows no key or token, or one that is not valid here."""

    code = "unauthorized"
    http_status = 401


class SessionNotFound(EngineError):
    """No session has that id."""

    code = "session_not_found"
    http_status = 404


class Conflict(EngineError):
    """The id is taken by something made with other parameters."""

    code = "conflict"
    http_status = 409


class IdempotencyConflict(EngineError):
    """The caller's idempotency key came with another request before."""

    code = "idempotency_conflict"
    http_status = 422


class StillRunning(EngineError):
    """The job takes longer than its caller may wait, and goes on. ``job_id``: what its files are named by."""

    code = "still_running"
    http_status = 504

    def __init__(self, message: str, job_id: str | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id


class OperatorError(EngineError):
    """The service itself has to be mended or set up."""

    code = "internal_error"


class SpeechNotConfigured(OperatorError):
    """Text came, and the service has no voice to speak it."""

    code = "tts_not_configured"


class TtsMisconfigured(OperatorError):
    """The speech service refuses the operator's key, plan or address."""

    code = "tts_misconfigured"
    http_status = 502


class TtsQuotaExceeded(OperatorError):
    """The operator's account at the speech service has nothing left to spend."""

    code = "tts_quota_exceeded"
    http_status = 503


class ConfigurationError(OperatorError):
    """The service's settings contradict each other or the machine."""

    code = "configuration_error"


class WeightsMissing(OperatorError):
    """A file of the networks' weights is not where it should be."""

    code = "weights_missing"


class WeightsDamaged(OperatorError):
    """A file of the networks' weights is not what it should be."""

    code = "weights_damaged"


class InternalError(OperatorError):
    """A defect: logged in full, told to the caller in one sentence."""


class BundleDamaged(InternalError):
    """A prepared avatar's files are missing, altered or contradict each other: it has to be prepared anew."""


class RecordDamaged(InternalError):
    """A record in the store is not what was written there: it has to be deleted or put right."""


class ResultTooLarge(OperatorError):
    """The result is larger than the queue delivers."""

    code = "result_too_large"


class ResultRefused(OperatorError):
    """The queue takes no result of this job."""

    code = "result_refused"


class KeepsCrashing(OperatorError):
    """The job's workers died over it, one after another."""

    code = "keeps_crashing"


class SigningFailed(OperatorError):
    """The finished video can't be signed with the operator's certificate, or the signature doesn't hold."""

    code = "signing_failed"
