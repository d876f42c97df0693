"""Exponential back-off with full jitter: many clients that lost one server do not come back together."""

from collections.abc import Callable


def full_jitter(failures: int, *, first_seconds: float, ceiling_seconds: float, jitter: Callable[[], float]) -> float:
    """Seconds to wait after the n-th failure in a row (n >= 1): uniform below min(ceiling, first * 2^(n-1))."""
    exponent = min(failures - 1, 30)  # beyond that every ceiling is reached
    return jitter() * min(ceiling_seconds, first_seconds * 2.0**exponent)
