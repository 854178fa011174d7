"""Prints the README's table of settings: `python -m builder.settings_table`."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from engine.store.bucket_settings import BucketSettings
from shim.settings import ShimSettings


def settings_table() -> str:
    """Every variable with its default and meaning, as Markdown."""
    rows = [row(name, field) for name, field in ShimSettings.model_fields.items()]
    rows += [row(f"bucket_{name}", field) for name, field in BucketSettings.model_fields.items()]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def row(name: str, field: FieldInfo) -> str:
    return f"| `{name.upper()}` | {shown(field.default)} | {field.description} |"


def shown(default: object) -> str:
    if default is None or default is PydanticUndefined or default == "" or default == () or default == {}:
        return ""
    if isinstance(default, tuple):
        return f"`{':'.join(str(part) for part in default)}`"
    if isinstance(default, bool):
        return f"`{int(default)}`"
    if isinstance(default, Path | str | int | float):
        return f"`{default}`"
    return f"`{default!r}`"


if __name__ == "__main__":
    print(settings_table())
