"""What `FakeKeyProvider.fail_next` can make fail."""

import enum


class Operation(enum.Enum):
    START = "start"
    GENERATE = "generate"
    SIGN = "sign"
    DESTROY = "destroy"
    HEALTH = "health"
    OPEN = "open"
    KEK = "kek"
    TRANSFER = "transfer"
    DATA = "data"
