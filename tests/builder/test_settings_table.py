"""The README's table of settings is the one that the settings give."""

from __future__ import annotations

from pathlib import Path

from builder.settings_table import settings_table
from shim.settings import ShimSettings

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_holds_the_table_as_generated() -> None:
    assert settings_table() in README.read_text()


def test_every_setting_is_described() -> None:
    assert all(field.description for field in ShimSettings.model_fields.values())
    for name in ShimSettings.model_fields:
        assert f"| `{name.upper()}` |" in settings_table()


def test_no_secret_has_a_default() -> None:
    assert "SecretStr" not in settings_table()
