"""The known name that a mistyped one is nearest to."""

from collections.abc import Iterable
from typing import Final

# What people call a currency, where the nearest spelling would be another country's.
_SYNONYMS: Final = {"rmb": "CNY", "yuan": "CNY", "nt$": "TWD", "ntd": "TWD", "stg": "GBP"}
_LIKENESS: Final = 0.5


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name of ``known`` that was probably meant, whatever its case; None: none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - 240 KiB, and a running agent misspells nothing

    folded = {known_name.lower(): known_name for known_name in known}
    meant = _SYNONYMS.get(name.lower())
    if meant is not None and meant.lower() in folded:
        return meant
    close = get_close_matches(name.lower(), folded, n=1, cutoff=_LIKENESS)
    return folded[close[0]] if close else None
