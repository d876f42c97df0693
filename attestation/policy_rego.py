"""One more condition on genuine evidence, written in Rego: for rules that the policy's own fields do not have.

A module of package `hallmark` defines `allow`; the evidence passes only when it is exactly `true`:

    package hallmark
    import rego.v1
    default allow := false
    allow if input.claims.versions.os >= 150000

`input` holds "format", "claims" (one schema for all vendors, without what identifies one device) and "not_checked".
Language: https://www.openpolicyagent.org/docs/policy-language. The evaluator, regopy, is optional; without it such a
policy can not be set, and refuses everything where it is already in force.

So that a verdict can be repeated in ten years a module may call only the built-in functions listed here: none of them
knows the time, chance or the network, or makes much out of little.
"""

import re
from dataclasses import dataclass
from typing import Final

MODULE_BYTES_MAX: Final = 16 * 1024
_NAMES: Final = """
abs array.concat array.reverse array.slice bits.and bits.lsh bits.negate bits.or bits.rsh bits.xor ceil concat
contains count endswith floor format_int glob.match indexof intersection is_array is_boolean is_null is_number
is_object is_set is_string lower max min object.get object.keys object.remove object.subset object.union product
regex.match replace round semver.compare semver.is_valid sort split sprintf startswith strings.any_prefix_match
strings.any_suffix_match substring sum time.parse_rfc3339_ns to_number trim trim_left trim_prefix trim_right
trim_space trim_suffix type_name union upper
"""
BUILT_INS: Final = frozenset(_NAMES.split())

_TEXT: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|#[^\n]*')
_CALL: Final = re.compile(r"([A-Za-z_][\w.]*)\s*\(")
_HEAD: Final = re.compile(r"^(?:default\s+)?([a-z_]\w*)\(", re.MULTILINE)
_PACKAGE: Final = re.compile(r"^\s*package\s+hallmark\s*$", re.MULTILINE)
_WORDS_BEFORE_PARENTHESES: Final = frozenset({"if", "in", "not", "some", "every", "else", "contains"})


@dataclass(frozen=True, slots=True)
class RegoPolicy:
    """`module` is the source text, at most 16 KiB; None: there is no such condition."""

    module: str | None = None


def problems_of(module: str) -> tuple[str, ...]:
    """What a module may not have, as sentences; that it can be compiled is seen where the evaluator is."""
    if len(module.encode()) > MODULE_BYTES_MAX:
        return (f"the module may have {MODULE_BYTES_MAX} bytes",)
    code = _TEXT.sub('""', module)
    found: list[str] = []
    if not _PACKAGE.search(code):
        found.append("the module must begin with: package hallmark")
    if re.search(r"\bwith\b", code) or re.search(r"\]\s*\(", code):
        found.append("the module may neither replace values (with) nor call what it computes")
    own = set(_HEAD.findall(code))
    called = {name for name in _CALL.findall(code) if name not in _WORDS_BEFORE_PARENTHESES}
    found += [f"the module may not call {name}: its result may change" for name in sorted(called - own - BUILT_INS)]
    return tuple(found)
