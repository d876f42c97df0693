"""tlog-policy: which logs are accepted, which witnesses are known, and how many of them must have cosigned.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> <k>|all|any <member>...
    quorum <name>|none

One declaration a line, items divided by spaces and tabs, names declared before they are used (C2SP tlog-policy). A
line or an item that begins with `#` begins a comment; the specification has whole-line comments only, but policies
with the other kind are in use.

Two rules keep one witness from counting twice. Each name is a member of at most one group. And where the
specification forbids to list a public key under two names, policies in use do: such a key counts under its first name
only, so a group that needs both names is never reached.
"""

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from hallmark_tlog.canonical import decode_decimal
from hallmark_tlog.errors import FormatError, QuorumNotReached
from hallmark_tlog.verify import Signer
from hallmark_tlog.vkey import KeyType, VerifierKey, parse_vkey

NONE = "none"
MAX_POLICY_CHARACTERS = 1_000_000
MAX_DECLARATIONS = 1_024
"""Of each kind; the specification asks for at least 32."""

# C2SP tlog-policy, "Character set". Lone surrogates have no UTF-8 form.
_FORBIDDEN = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_RESERVED_NAMES = (NONE, "all", "any")
_LOG_TYPES_REFUSED = (KeyType.ED25519_COSIGNATURE,)
_WITNESS_TYPES = (KeyType.ED25519, KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44)


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log that is accepted. The name of `vkey` is its origin."""

    vkey: VerifierKey
    url: str | None = None

    def __post_init__(self) -> None:
        if self.vkey.type in _LOG_TYPES_REFUSED:
            raise FormatError(f"the key of {self.vkey.name} is for cosignatures: it is no log's")
        _check_item(self.url)

    def __str__(self) -> str:
        return " ".join(("log", str(self.vkey), *([self.url] if self.url else [])))


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness under the name the policy gives it; its key has a name of its own."""

    name: str
    vkey: VerifierKey
    url: str | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.vkey.type not in _WITNESS_TYPES:
            raise FormatError(f"the key of witness {self.name} is not of a type that cosigns")
        _check_item(self.url)

    @property
    def cosigner(self) -> VerifierKey:
        """The key as it cosigns: policies also list Ed25519 witnesses with type 0x01, but they sign with 0x04."""
        if self.vkey.type == KeyType.ED25519:
            return VerifierKey(self.vkey.name, KeyType.ED25519_COSIGNATURE, self.vkey.public_key)
        return self.vkey

    def __str__(self) -> str:
        return " ".join(("witness", self.name, str(self.vkey), *([self.url] if self.url else [])))


@dataclass(frozen=True, slots=True)
class Group:
    """Has witnessed a checkpoint when at least `threshold` of its members (witnesses, groups) have."""

    name: str
    threshold: int
    members: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not 1 <= self.threshold <= len(self.members):
            raise FormatError(f"the threshold of group {self.name} is 1 to the number of its members")

    def __str__(self) -> str:
        threshold = "all" if self.threshold == len(self.members) else str(self.threshold)
        return " ".join(("group", self.name, threshold, *self.members))


@dataclass(frozen=True, slots=True)
class QuorumReached:
    """The witnesses that count for the quorum, by their names in the policy, with their cosignatures."""

    quorum: str
    cosigners: tuple[tuple[str, Signer], ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy; the declarations refer to witnesses and to groups before them. `quorum` "none" asks for no witness."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str

    def __post_init__(self) -> None:
        if max(len(self.logs), len(self.witnesses), len(self.groups)) > MAX_DECLARATIONS:
            raise FormatError(f"a policy has more than {MAX_DECLARATIONS} declarations of a kind")
        keys = [log.vkey.public_key for log in self.logs]
        if len(set(keys)) != len(keys):
            raise FormatError("a policy lists the public key of a log twice")
        names = {witness.name for witness in self.witnesses}
        members: list[str] = []
        for group in self.groups:
            _check_known(group.members, names, what=f"group {group.name}")
            members += group.members
            names.add(group.name)
        if len(names) != len(self.witnesses) + len(self.groups):
            raise FormatError("a policy declares a name twice")
        if len(set(members)) != len(members):
            raise FormatError("a policy has a name as a member of groups twice")
        if self.quorum != NONE:
            _check_known([self.quorum], names, what="the quorum")

    def __str__(self) -> str:
        """The file: logs, witnesses, groups, quorum, one a line. Comments and `any` are not kept."""
        lines = (*self.logs, *self.witnesses, *self.groups, f"quorum {self.quorum}")
        return "".join(f"{line}\n" for line in lines)

    @property
    def vkeys(self) -> tuple[VerifierKey, ...]:
        """Every key whose lines in a note are of interest."""
        return (*(log.vkey for log in self.logs), *(witness.cosigner for witness in self.witnesses))

    def check(self, signers: Sequence[Signer]) -> QuorumReached:
        """Who counts towards the quorum. Raises QuorumNotReached."""
        counted = self._counted(signers)
        missing = self.missing(signers)
        if missing:
            raise QuorumNotReached(
                f"the quorum {self.quorum} is not reached: {len(counted)} witnesses cosigned ({_list(counted)}), "
                f"missing are {_list(missing)}",
                missing,
            )
        return QuorumReached(quorum=self.quorum, cosigners=tuple(counted.items()))

    def missing(self, signers: Sequence[Signer]) -> tuple[str, ...]:
        """The quorum's witnesses that have not cosigned, to be asked next; none when the quorum is reached."""
        if self.quorum == NONE:
            return ()
        counted = self._counted(signers)
        witnessed = set(counted)
        # Groups refer backwards only: one pass decides them all, nested ones too.
        for group in self.groups:
            if sum(member in witnessed for member in group.members) >= group.threshold:
                witnessed.add(group.name)
        if self.quorum in witnessed:
            return ()
        return tuple(name for name in self._quorum_witnesses() if name not in counted)

    def _counted(self, signers: Sequence[Signer]) -> dict[str, Signer]:
        # tlog-cosignature: time 0 makes no statement on what else the cosigner saw, so it is not witnessing.
        cosigned = {(signer.name, signer.key_id): signer for signer in signers if signer.timestamp}
        counted: dict[str, Signer] = {}
        listed: set[bytes] = set()
        for witness in self.witnesses:
            key = witness.cosigner
            signer = cosigned.get((key.name, key.key_id))
            if signer is not None and key.public_key not in listed:
                counted[witness.name] = signer
            listed.add(key.public_key)
        return counted

    def _quorum_witnesses(self) -> tuple[str, ...]:
        wanted = {self.quorum}
        for group in reversed(self.groups):
            if group.name in wanted:
                wanted.update(group.members)
        return tuple(witness.name for witness in self.witnesses if witness.name in wanted)


def parse_policy(text: str | bytes) -> Policy:
    """Read a policy file. Bytes must be UTF-8, which the specification recommends. Raises FormatError."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormatError("a policy is not UTF-8") from error
    if len(text) > MAX_POLICY_CHARACTERS:
        raise FormatError(f"a policy is larger than {MAX_POLICY_CHARACTERS} characters")
    draft = _Draft()
    for number, line in enumerate(text.split("\n"), 1):
        _check_characters(line)
        try:
            draft.read(_items(line))
        except FormatError as error:
            raise FormatError(f"line {number} of the policy: {error}") from error
    return draft.finish()


class _Draft:
    """The declarations read so far."""

    def __init__(self) -> None:
        self._logs: list[PolicyLog] = []
        self._witnesses: list[Witness] = []
        self._groups: list[Group] = []
        self._quorum: str | None = None
        self._names: set[str] = set()

    def read(self, items: list[str]) -> None:
        match items:
            case []:
                return
            case ["log", vkey, *url] if len(url) <= 1:
                self._logs.append(PolicyLog(parse_vkey(vkey), *url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witnesses.append(Witness(name, parse_vkey(vkey), *url))
                self._names.add(name)
            case ["group", name, threshold, *members]:
                _check_known(members, self._names, what=f"group {name}")
                self._groups.append(Group(name, _threshold(threshold, len(members)), tuple(members)))
                self._names.add(name)
            case ["quorum", name] if self._quorum is None:
                _check_known([name], {*self._names, NONE}, what="the quorum")
                self._quorum = name
            case _:
                raise FormatError(f"not a declaration, or a second quorum: {' '.join(items)[:80]!r}")

    def finish(self) -> Policy:
        if self._quorum is None:
            raise FormatError("a policy has exactly one quorum line, this one has none")
        return Policy(tuple(self._logs), tuple(self._witnesses), tuple(self._groups), self._quorum)


def _items(line: str) -> list[str]:
    items = [item for item in line.replace("\t", " ").split(" ") if item]
    comment = next((at for at, item in enumerate(items) if item.startswith("#")), len(items))
    return items[:comment]


def _threshold(text: str, members: int) -> int:
    match text:
        case "all":
            return members
        case "any":
            return 1
        case _:
            return decode_decimal(text, what="the threshold of a group")


def _check_known(names: Iterable[str], known: Container[str], *, what: str) -> None:
    for name in names:
        if name not in known:
            raise FormatError(f"{what} refers to {name!r}, which is not declared before it")


def _check_name(name: str) -> None:
    if name in _RESERVED_NAMES:
        raise FormatError(f"{name!r} is a keyword: no witness or group can have this name")
    _check_item(name)


def _check_item(item: str | None) -> None:
    if item is not None and _items(item) != [item]:
        raise FormatError(f"{item[:80]!r} is not one item of a policy line")
    _check_characters(item or "")


def _check_characters(line: str) -> None:
    if _FORBIDDEN.search(line):
        raise FormatError("a policy has a control character other than tab and newline")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
