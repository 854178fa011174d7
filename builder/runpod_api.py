"""RunPod's REST API, version 2: templates and serverless endpoints, found by their names."""

from __future__ import annotations

import json
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from builder.deploy_errors import DeployError
from shim.auth.loopback import is_loopback

RUNPOD_API = "https://api.runpod.io/v2"

Folder = Literal["templates", "serverless"]
Found = dict[str, Any]

_LISTED_AS = {"templates": "templates", "serverless": "endpoints"}
_WHAT = {"templates": "template", "serverless": "endpoint"}
_AGENT = "talking-avatar-deploy"
"""The platform's front refuses the names of some clients."""
_TIMEOUT = httpx.Timeout(30, connect=10)
_MOST_TOLD = 300


class Api(Protocol):
    """Where a deployment goes."""

    def named(self, folder: Folder, name: str) -> Found | None:
        """The one of that name."""

    def create(self, folder: Folder, body: dict[str, Any]) -> Found: ...

    def update(self, folder: Folder, found_id: str, body: dict[str, Any]) -> Found: ...


class RunPodApi:
    """An Api. All that goes wrong is a DeployError."""

    def __init__(self, key: SecretStr, base_url: str = RUNPOD_API) -> None:
        self._key = key.get_secret_value()
        self._base_url = _checked(base_url)
        headers = {"Authorization": f"Bearer {self._key}", "User-Agent": _AGENT}
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT)

    def close(self) -> None:
        self._client.close()

    def named(self, folder: Folder, name: str) -> Found | None:
        reply = self._ask("GET", folder)
        listed = reply.get(_LISTED_AS[folder]) if isinstance(reply, dict) else reply
        if not isinstance(listed, list):
            raise DeployError(f"RunPod's list of {_WHAT[folder]}s has a form that this version doesn't know.")
        # The platform marks an endpoint with FlashBoot by this ending.
        found = [one for one in listed if isinstance(one, dict) and one.get("name") in (name, f"{name} -fb")]
        if len(found) > 1:
            raise DeployError(
                f"There are {len(found)} {_WHAT[folder]}s called {name}. Rename or delete all but one, or deploy under "
                "another --name."
            )
        return _with_id(found[0], folder) if found else None

    def create(self, folder: Folder, body: dict[str, Any]) -> Found:
        return _with_id(self._ask("POST", folder, body), folder)

    def update(self, folder: Folder, found_id: str, body: dict[str, Any]) -> Found:
        return _with_id(self._ask("PATCH", f"{folder}/{found_id}", body), folder)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            reply = self._client.request(method, f"{self._base_url}/{path}", json=body)
            if reply.is_success:
                return reply.json()
        except httpx.HTTPError as error:
            raise DeployError(f"RunPod's API can't be reached ({type(error).__name__}). Run the same again.") from None
        except json.JSONDecodeError:
            raise DeployError("RunPod's API answered something else than JSON. Run the same again.") from None
        raise DeployError(self._refusal(method, path, reply))

    def _refusal(self, method: str, path: str, reply: httpx.Response) -> str:
        said = _said(reply).replace(self._key, "***")
        told = f"RunPod answered {reply.status_code} to {method} /{path}{f': {said}' if said else '.'}"
        return f"{told} {_REMEDIES.get(reply.status_code, _AGAIN if reply.is_server_error else _CHANGE)}"


_AGAIN = "Run the same again in a while; what is there already is found by its name."
_CHANGE = "Nothing was changed by this request."
_REMEDIES = {
    401: "RUNPOD_API_KEY is wrong: make a key in the console's settings.",
    403: "The key may not do this: give it the permission for the REST API in the console's settings.",
    429: _AGAIN,
}


def _with_id(found: Any, folder: Folder) -> Found:
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        raise DeployError(f"RunPod's {_WHAT[folder]} has no id: this version doesn't know such a reply.")
    return found


def _said(reply: httpx.Response) -> str:
    """What a problem's JSON says in words, cut to a length."""
    try:
        problem = reply.json()
    except json.JSONDecodeError:
        return ""
    said = problem.get("detail") or problem.get("title") if isinstance(problem, dict) else None
    words = " ".join(str(said or "").split())[:_MOST_TOLD]
    return f"{words.rstrip('.')}." if words else ""


def _checked(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise DeployError("--api has to be an https address: the key would travel open.")
    return base_url.rstrip("/")
