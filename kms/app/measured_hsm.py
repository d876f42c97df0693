"""The key provider with its signatures counted and timed, and told as steps of the calls that wait for them."""

from collections.abc import Sequence

from hsm.errors import HsmError
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.pkcs11.settings import Pkcs11Settings
from hsm.provider import SignRequest
from kms.core.steps import step
from kms.metrics.hsm import HsmMetrics


class MeasuredKeyProvider(Pkcs11KeyProvider):
    """Everything else is its parent's."""

    def __init__(self, settings: Pkcs11Settings, metrics: HsmMetrics) -> None:
        super().__init__(settings)
        self._metrics = metrics

    async def sign_many(self, requests: Sequence[SignRequest]) -> list[bytes | HsmError]:
        with step("hsm sign"), self._metrics.signing(requests) as count:
            answers = await super().sign_many(requests)
            count(answers)
        return answers

    async def _sign_one(self, request: SignRequest) -> bytes:
        with step("hsm sign"), self._metrics.signing([request]) as count:
            answer = await super()._sign_one(request)
            count([answer])
        return answer
