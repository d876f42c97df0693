"""The order of key-encryption keys. Their label in the token counts them, so that all who share the token agree.

The first is "hallmark-kek" (generation 1), the next "hallmark-kek-2". Signers take the newest they find when they
start and when they are told; a label is enough for that order, because every seal names its key by CKA_ID.
"""

from collections.abc import Iterable
from typing import Final

KEK_LABEL: Final = "hallmark-kek"
_MAX_GENERATION_DIGITS: Final = 9

Kek = tuple[int, bytes]
"""(generation, CKA_ID)"""


def newest_of(keks: Iterable[Kek]) -> Kek | None:
    """Two services may make the same generation at the same time: then all take the one with the lowest id."""
    return min(keks, key=lambda kek: (-kek[0], kek[1]), default=None)


def label_of(generation: int) -> str:
    return KEK_LABEL if generation == 1 else f"{KEK_LABEL}-{generation}"


def generation_of(label: str | None) -> int | None:
    """None: not one of ours."""
    if label == KEK_LABEL:
        return 1
    number = (label or "").removeprefix(f"{KEK_LABEL}-")
    if not number.isascii() or not number.isdigit() or len(number) > _MAX_GENERATION_DIGITS:
        return None
    generation = int(number)
    return generation if generation > 1 and label == label_of(generation) else None
