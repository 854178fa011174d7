"""Examples for the description: of parameters, by their names, and of replies whose models have none of their own."""

from __future__ import annotations

from typing import Any

SESSION, JOB, AVATAR = (
    "550e8400-e29b-41d4-a716-446655440000",
    "12345",
    "7c9e6679-7425-40de-944b-e07fc1f90ae7",
)

_NEXT = "MjAyNi0xMS0yMlQxMjowMDowMFo"

PARAMETERS: dict[str, Any] = {
    "session_id": SESSION,
    "job_id": JOB,
    "avatar_id": AVATAR,
    "stream_id": JOB,
    "run": "0001",
    "number": "00003",
    "download": "1",
    "async": True,
    "days": 30,
    "limit": 20,
    "cursor": _NEXT,
    "Idempotency-Key": "7f1d9c1e-5a1b-4b52-9f0b-0d6f6d1f2a11",
}

FILES = {
    "/api/v1/generate/video/{filename}": "output_12345.mp4",
    "/api/v1/generate/audio/{filename}": "audio_12345.mp3",
    "/api/v1/generate/captions/{filename}": "captions_12345.vtt",
    "/api/v1/generate/thumbnail/{filename}": "thumbnail_12345.jpg",
}
"""The file names that each path serves."""

_PLAYLIST = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-MAP:URI="0001/init.mp4"
#EXTINF:1.000000,
0001/segment-00000.m4s
"""
_CAPTIONS = """WEBVTT

00:00.000 --> 00:00.410
Hello!
"""

TEXTS = {"application/vnd.apple.mpegurl": _PLAYLIST, "text/vtt": _CAPTIONS}
"""Replies that are text, by their types."""

_AVATAR_INFO = {
    "width": 720,
    "height": 1280,
    "seconds": 12.4,
    "face_width": 236,
    "face_height": 301,
    "face_box": {"left": 242, "top": 318, "width": 236, "height": 301},
    "warnings": [],
}
_SESSION = {
    "session_id": SESSION,
    "status": "ready",
    "message": "Session is ready",
    "avatar_prepared": True,
    "renderer": "musetalk",
    "progress": 1.0,
    "expires_at": "2026-11-23T12:00:00Z",
    "avatar": _AVATAR_INFO,
    "created_at": "2026-11-22T12:00:00Z",
    "thumbnail_url": f"/api/v1/session/{SESSION}/thumbnail",
}

REPLIES: dict[str, Any] = {
    "HealthReply": {
        "status": "healthy",
        "device": "cuda",
        "cuda_available": True,
        "models_loaded": True,
        "renderer": "musetalk",
        "versions": {"python": "3.11.9", "torch": "2.8.0"},
    },
    "SessionCreated": {
        "session_id": SESSION,
        "status": "preparing",
        "message": "Session created. Avatar preparation started.",
        "warnings": [],
    },
    "SessionState": _SESSION,
    "SessionPage": {"sessions": [_SESSION], "next_cursor": _NEXT},
    "DeleteReply": {"message": "Session deleted successfully"},
    "AvatarPage": {
        "avatars": [
            {
                "avatar_id": AVATAR,
                "bytes": 4_812_002,
                "uploaded_at": "2026-11-22T12:00:00Z",
                "expires_at": "2026-11-23T12:00:00Z",
                "status": "ready",
                "consent": True,
                "avatar": _AVATAR_INFO,
                "thumbnail_url": f"/api/v1/avatars/{AVATAR}/thumbnail",
            }
        ],
        "next_cursor": _NEXT,
    },
    "AvatarDeleted": {"message": "Avatar deleted successfully"},
    "VoicesReply": {
        "provider": "elevenlabs",
        "fetched_at": "2026-11-22T12:00:00Z",
        "voices": [
            {
                "id": "JBFqnCBsd6RMkjVDRZzb",
                "name": "George",
                "languages": ["en"],
                "available": True,
                "default": True,
                "preview_url": "https://storage.example/george.mp3",
                "labels": {"gender": "male", "accent": "british"},
            }
        ],
    },
    "ModelsReply": {
        "provider": "elevenlabs",
        "fetched_at": "2026-11-22T12:00:00Z",
        "models": [
            {
                "id": "eleven_multilingual_v2",
                "name": "Eleven Multilingual v2",
                "languages": ["en", "de", "fr"],
                "available": True,
                "default": True,
                "max_characters": 10_000,
            }
        ],
    },
    "TokenReply": {
        "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJqdGkiOiI5Zjg2ZDA4MTg4NGM3ZDY1In0.c2lnbmF0dXJl",
        "token_id": "9f86d081884c7d65",
        "expires_at": "2026-11-22T12:10:00Z",
        "generations": 3,
    },
    "SecretReply": {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="},
}
"""By the models' names."""

TAGS = {
    "Health": "Whether the server works, and what makes its videos.",
    "Sessions": "A session is an avatar that is ready to speak. Its face is found and measured once.",
    "Avatars": "Videos and pictures of faces, uploaded to speak in sessions.",
    "Video generation": "Videos of a session's avatar speaking a text or a recording: whole, as a stream, or later.",
    "Streams": "A video for others to follow while it is made, as one file and as HLS.",
    "Files": "What was made: video, sound, captions, first picture. Ranges and conditional requests work.",
    "Jobs and webhooks": "Videos that are made without anybody waiting, and who is told of their end.",
    "Voices": "What speaks: voices and models that a generate may name.",
    "Tokens for browsers": "Short tokens that a page can be handed, where a key can't.",
    "Usage": "What was made, by day, and what is left of the budget.",
    "Limits": "What the service takes, to be known before it is sent.",
}
"""What the groups of operations are about."""
