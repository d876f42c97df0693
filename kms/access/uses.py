"""What a policy looks at, found in its text: decides what may be remembered and what need not be looked up."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, Self

from cedarpy import pst

_TIMES: Final = frozenset({"time", "hour", "weekday"})
_FACTS: Final = frozenset({"purpose", "algorithm", "sensitivity"})
_OVERFLOWING: Final = frozenset({"add", "sub", "mul", "neg", "offset", "duration_since"})
_TAGS: Final = frozenset({"has_tag", "get_tag"})


@dataclass(frozen=True, slots=True)
class Uses:
    """Of all statements together. `facts`: what only a look-up tells of a resource."""

    time: bool = False
    verdict: bool = False
    address: bool = False
    facts: bool = False

    @property
    def passes(self) -> bool:
        """Whether an answer may be another one a moment later, with nothing changed."""
        return self.time or self.verdict

    @classmethod
    def of(cls, statements: Iterable[pst.Template]) -> Self:
        seen: set[str] = set()
        for statement in statements:
            for clause in statement.clauses:
                seen.update(_seen(clause))
        everything = "*" in seen
        return cls(
            time=everything or not seen.isdisjoint(_TIMES),
            verdict=everything or "verdict" in seen,
            address=everything or "address" in seen,
            facts=everything or "tags" in seen or not seen.isdisjoint(_FACTS),
        )


def may_fail(statement: pst.Template) -> bool:
    """Whether its evaluation may end in an error: numbers and times overflow. All else the schema rules out."""
    waiting: list[Any] = list(statement.clauses)
    while waiting:
        node = waiting.pop()
        if isinstance(node, pst.BinaryOp | pst.UnaryOp) and node.op in _OVERFLOWING:
            return True
        waiting += _children(node)
    return False


def _seen(root: object) -> Iterator[str]:
    """Names of attributes, whatever they are of: rather one too many. "*" where the context is used as a whole."""
    waiting: list[Any] = [root]
    while waiting:
        node = waiting.pop()
        match node:
            case pst.GetAttr(base=base, attr=attr):
                yield attr
                waiting += [] if base == pst.Var("context") else [base]
                continue
            case pst.HasAttr(base=base, attrs=attrs):
                yield from attrs
                waiting += [] if base == pst.Var("context") else [base]
                continue
            case pst.Var(name="context"):
                yield "*"
            case pst.BinaryOp(op=op) if op in _TAGS:
                yield "tags"
            case _:
                pass
        waiting += _children(node)


def _children(node: Any) -> list[Any]:
    if isinstance(node, Mapping):
        return list(node.values())
    if isinstance(node, tuple):
        return list(node)
    return [getattr(node, each.name) for each in fields(node)] if is_dataclass(node) else []
