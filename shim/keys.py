"""Makes a key for the REST server: `python -m shim.keys NAME`."""

from __future__ import annotations

import sys

from shim.auth.keys import NAME, hash_of, mint


def main(arguments: list[str]) -> int:
    """Print a new key and how the server is told of it. Nothing is written anywhere."""
    if len(arguments) != 1 or not NAME.fullmatch(arguments[0]):
        sys.stderr.write(
            "Usage: python -m shim.keys NAME\nThe name has 1 to 64 letters, digits, '.', '_' and '-': it owns what is "
            "made with the key.\n"
        )
        return 2
    (name,) = arguments
    key = mint()
    sys.stdout.write(
        f"Key, shown this once; its holder sends it as `Authorization: Bearer {key}`:\n\n    {key}\n\n"
        f"For API_KEYS, after a comma where there are others, or for a line of API_KEYS_FILE:\n\n"
        f"    {name}:{hash_of(key)}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
