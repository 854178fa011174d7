"""What lies in the store as JSON, read as its model."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from engine.errors import RecordDamaged
from engine.store.protocol import StoredObject

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_as(model: type[ModelT], found: StoredObject) -> ModelT:
    """Raises RecordDamaged."""
    try:
        return model.model_validate_json(found.body)
    except ValidationError as error:
        raise damaged(found) from error


def damaged(found: StoredObject) -> RecordDamaged:
    """What is said of a record that isn't what it should be."""
    return RecordDamaged(f"The record {found.info.key} can't be read: delete it or put it right.")
