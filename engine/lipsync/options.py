"""What a caller may choose about an avatar's preparation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

ExtraMargin = Annotated[
    int, Field(ge=0, le=100, description="Pixels below the chin that the mouth is drawn in. Default: 10.")
]
CheekWidth = Annotated[
    int,
    Field(
        ge=0,
        le=256,
        description="Where the cheek on this side of the picture begins, beyond which less is drawn: so many "
        "512ths of the face's surroundings from their middle. For the parsing mode `jaw`. Default: 90.",
    ),
]
ParsingMode = Annotated[
    Literal["jaw", "raw", "neck"],
    Field(
        description="What of the lower face is drawn. `jaw`, the default: mouth, jaw and the inner cheeks; `raw`: all "
        "of its skin; `neck`: the neck too."
    ),
]
REFUSED = {"bbox_shift": "MuseTalk V1.5 ignores it. Use `extra_margin` to draw more or less below the chin"}
"""Options of other versions, and what to do instead."""


class PreparationOptions(BaseModel):
    """All of them with their defaults, as MuseTalk V1.5 was tuned; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    extra_margin: ExtraMargin = 10
    left_cheek_width: CheekWidth = 90
    right_cheek_width: CheekWidth = 90
    parsing_mode: ParsingMode = "jaw"

    def chosen(self) -> dict[str, JsonValue]:
        """Those that differ from the defaults, by name."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def only(self, names: Collection[str]) -> dict[str, JsonValue]:
        """Those of these names."""
        return self.model_dump(mode="json", include=set(names))

    def unheeded(self, names: Collection[str]) -> tuple[str, ...]:
        """Those that differ from the defaults although only those of these names have an effect."""
        return tuple(name for name in self.chosen() if name not in names)
