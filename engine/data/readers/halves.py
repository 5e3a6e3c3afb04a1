"""Half of a pair of surrogates in JSON: no character, and nothing that can be written again."""

from __future__ import annotations

import re
from typing import Any

# What may be one, in JSON as text and as bytes: every escape of a surrogate.
HALF = re.compile(r"\\u[dD][89a-fA-F]")
HALF_BYTES = re.compile(HALF.pattern.encode())


def without_halves(value: Any) -> Any:
    """The value with U+FFFD for each half that stands alone; whole pairs stay what they are."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [without_halves(inner) for inner in value]
    if isinstance(value, dict):
        return {without_halves(key): without_halves(inner) for key, inner in value.items()}
    return value
