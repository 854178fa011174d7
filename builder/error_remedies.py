"""What to do about each error, as docs/errors.md says it."""

from __future__ import annotations

from engine import errors as engine
from engine import outages
from engine.errors import EngineError
from shim import refusals as shim

REMEDIES: dict[type[EngineError], str] = {
    EngineError: "Read `detail`, and change the request as it says.",
    engine.InputError: "Change the request as `detail` says.",
    engine.InvalidInput: "Correct the field that `detail` names; /docs shows what each one takes.",
    engine.InvalidText: "Send text with at least one word to speak.",
    engine.TextTooLong: "Cut the text into several requests.",
    engine.AvatarNotAllowed: "Upload the video, or name an `https://` address or a path that the operator has allowed.",
    engine.AvatarBlocked: "Use another avatar; the operator can say why.",
    engine.AvatarNotFound: "Check the path or address; an upload expires after a while, so upload it again.",
    engine.AvatarTooLarge: "Send a smaller file or a lower resolution.",
    engine.AvatarTooLong: "Cut the video shorter.",
    engine.MediaUnreadable: "Convert it, best to MP4 with H.264, and make sure that it plays.",
    engine.NoFace: "Use a video with one face that is well lit, turned to the camera and large enough.",
    engine.AudioUnreadable: "Send sound that plays, as MP3, WAV, M4A, FLAC or Ogg.",
    engine.AudioTooShort: "Send longer sound.",
    engine.AudioTooLong: "Cut the sound into several requests.",
    engine.AudioTooLarge: "Send the sound compressed, or by `audio_url`.",
    engine.AudioSilent: "Send sound in which somebody speaks.",
    engine.SessionNotReady: "Poll the session's status until it is `ready`, then ask again.",
    engine.SessionFailed: "Read the session's `message`, and create a session with another avatar.",
    engine.UrlNotAllowed: "Use a public `https://` address.",
    engine.UrlUnreachable: "Open the address in a browser; it has to lead to the file itself, without a login.",
    engine.DownloadTooLarge: "Offer a smaller file.",
    engine.S3ConfigInvalid: "Correct the field of `s3Config` that `detail` names.",
    engine.S3ConfigRejected: "Check the bucket's name and what its key may do.",
    engine.VoiceNotAvailable: "Choose another `voice_id`.",
    engine.TtsRejected: "Change the text, `model_id` or `voice_settings` as `detail` says.",
    engine.Unauthorized: "Send a key that the operator has given out, or a new token where the old one has expired.",
    engine.SessionNotFound: "Create a session; one that isn't used expires.",
    engine.Conflict: "Choose another id, or leave it out.",
    engine.IdempotencyConflict: "Use a new key for a new request.",
    engine.StillRunning: "The video will be found under the `job_id` in the body; the same `Idempotency-Key` waits on.",
    engine.OperatorError: "The operator has to act: the log says on what.",
    engine.SpeechNotConfigured: "The operator sets `ELEVENLABS_API_KEY`; until then send sound.",
    engine.TtsMisconfigured: "The operator checks `ELEVENLABS_API_KEY`, the plan and `ELEVENLABS_BASE_URL`.",
    engine.TtsQuotaExceeded: "The operator adds to the account; until then send sound.",
    engine.ConfigurationError: "The operator corrects the setting that `detail` names.",
    engine.WeightsMissing: "The operator runs `python -m builder.fetch_models`.",
    engine.WeightsDamaged: "The operator runs `python -m builder.fetch_models`, which fetches damaged files anew.",
    engine.InternalError: "Report it with the `request_id`, by which the log has all of it.",
    engine.ResultTooLarge: "The operator sets a bucket, or turns `INLINE_RESULTS` off.",
    engine.ResultRefused: "The operator reads the worker's log; a result that is refused for its size needs a bucket.",
    engine.KeepsCrashing: "Try another avatar or sound; the operator finds in the logs what its workers died of.",
    engine.SigningFailed: "The operator renews `C2PA_CERTIFICATE`; the log says what is wrong with it.",
    outages.Outage: "Wait for `Retry-After`, then send the same request again.",
    outages.StorageFull: "Try again later; the operator makes room on the disk.",
    outages.Interrupted: "Ask for it again.",
    outages.PreparationInterrupted: "Create the session again.",
    shim.UnknownPath: "Check the path; /docs lists them all.",
    shim.MethodNotAllowed: "Use a method that `Allow` names.",
    shim.OutputNotFound: "Use the addresses that a generate answers with, before they expire.",
    shim.StreamNotFound: "Use the addresses of the stream's start, within `STREAM_TTL` of its end.",
    shim.JobNotFound: "Use the `job_id` that a generate answers with.",
    shim.StoredAvatarNotFound: "Upload the avatar; an upload expires after a while.",
    shim.Forbidden: "Ask with a key of the operator's, from a server.",
    shim.OriginNotAllowed: "The operator adds the page's origin to `CORS_ORIGINS`, or mints the token for it.",
    shim.TokenSpent: "Get a new token.",
    shim.ConsentRequired: "Send `consent: true` if whoever the avatar shows has consented.",
    shim.UploadIncomplete: "Send the file to `upload_url`, then ask again.",
    shim.RateLimited: "Wait for `Retry-After`, and ask less often.",
    shim.TooManyGenerations: "Wait until one of the videos that are being made is done.",
    shim.BudgetExceeded: "Wait for `Retry-After`, or ask the operator for more; `/api/v1/usage` shows what was used.",
    shim.KeyReused: "Use a new key for a new request.",
    shim.BodyTooLarge: "Send less.",
    shim.UploadTooLarge: "Send a smaller file or a lower resolution.",
    shim.RangeNotSatisfiable: "Ask for a range within the size that `Content-Range` tells.",
}
"""An error that isn't named here has the remedy of what it is a kind of."""


def remedy_of(error: type[EngineError]) -> str:
    """A sentence for whoever meets the error."""
    return next(REMEDIES[kind] for kind in error.__mro__ if kind in REMEDIES)
