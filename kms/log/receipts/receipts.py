"""COSE Receipts (RFC 9942) of the tree that checkpoints sign: for consumers of SCITT and EAT, who read CBOR.

One signature is made for a tree and an algorithm, over the root, and shared by all receipts of that tree. It says what
the log signed; it has no witnesses: the tlog-proof is the stronger of the two.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from hallmark_tlog.cose import Algorithm
from hallmark_tlog.cose_receipt import inclusion_receipt, receipt_header, receipt_message, verify_receipt
from hallmark_tlog.errors import TlogError
from hsm.errors import HsmError, SignatureFault
from kms.core.clock import Clock
from kms.core.errors import Reason, Unavailable
from kms.log.model import StoredEntry, TreeHead
from kms.log.receipts.receipt_keys import ReceiptKey, ReceiptKeys
from kms.log.service import TransparencyLog


@dataclass(frozen=True, slots=True)
class CoseReceipt:
    """`receipt`: COSE_Sign1, the root as its detached payload. `key`: COSE_Key of the signer. Both CBOR."""

    receipt: bytes
    entry: StoredEntry
    tree_size: int
    key: bytes


@dataclass(frozen=True, slots=True)
class _SignedRoot:
    head: TreeHead
    key: ReceiptKey
    protected: bytes
    signature: bytes


@dataclass(slots=True)
class CoseReceipts:
    log: TransparencyLog
    keys: ReceiptKeys
    clock: Clock
    _newest: dict[Algorithm, _SignedRoot] = field(default_factory=dict)
    _turns: defaultdict[Algorithm, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def receipt(self, entry: int | str, algorithm: Algorithm) -> CoseReceipt:
        """Of an entry by index or event key, in the newest tree that this process has signed a receipt for and that
        holds it, or else in the published one. Verified before it is returned.

        Raises NotFound/LOG_ENTRY_NOT_FOUND, Unavailable/HSM_UNAVAILABLE.
        """
        published = await self.log.checkpoint()
        proof = await self.log.inclusion_proof(entry, tree_size=published.head.size)
        signed = await self._signed(algorithm, proof.entry.index, published.head)
        if signed.head.size != published.head.size:
            proof = await self.log.inclusion_proof(proof.entry.index, tree_size=signed.head.size)
        receipt = inclusion_receipt(
            signed.protected,
            signed.signature,
            size=signed.head.size,
            index=proof.entry.index,
            path=proof.hashes,
        )
        try:
            found = verify_receipt(receipt, proof.entry.data, [signed.key.cose_key])
        except TlogError as error:
            raise SignatureFault(f"a receipt did not verify and was discarded: {error}") from error
        if (found.index, found.size, found.root) != (proof.entry.index, signed.head.size, signed.head.root):
            raise SignatureFault("a receipt reads differently from what it was made of; it was discarded")
        return CoseReceipt(receipt, proof.entry, signed.head.size, signed.key.encoded)

    async def _signed(self, algorithm: Algorithm, index: int, head: TreeHead) -> _SignedRoot:
        """One caller signs, the others wait for it."""
        async with self._turns[algorithm]:
            newest = self._newest.get(algorithm)
            if newest is None or newest.head.size <= index:
                newest = self._newest[algorithm] = await self._sign(algorithm, head)
            return newest

    async def _sign(self, algorithm: Algorithm, head: TreeHead) -> _SignedRoot:
        origin = self.log.origin
        try:
            key = await self.keys.ensure(algorithm, self.clock.now())
            protected = receipt_header(algorithm=algorithm, kid=key.kid, issuer=origin, subject=origin)
            signature = await self.keys.sign(key, receipt_message(protected, head.root))
        except HsmError as error:
            raise Unavailable(
                Reason.HSM_UNAVAILABLE, f"no receipt can be signed: {error}", retry_after_seconds=5
            ) from error
        return _SignedRoot(head, key, protected, signature)
