"""Long work on the event loop, in short turns: other calls are waiting.

for number, item in enumerate(items):
...
if ends_turn(number):
await asyncio.sleep(0)
"""

from typing import Final

_ITEMS: Final = 8
"""Of a batch of signatures: a fraction of a millisecond."""


def ends_turn(number: int) -> bool:
    """After this item, counted from 0, everybody else should have a turn."""
    return number % _ITEMS == _ITEMS - 1
