"""The first opening of a TPM root: file, then counter, then attestation key, then the file again, complete.

A crash in between is taken up by the next opening: the file says which counter was being made.
"""

from collections.abc import Callable
from dataclasses import replace

from hallmark_client.device.errors import RootLost, RootUnavailable
from hallmark_client.device.roots.state_file import StateFile
from hallmark_client.device.roots.tpm2 import failures, templates
from hallmark_client.device.roots.tpm2.chip import Chip, Reached, storage_parent
from hallmark_client.device.roots.tpm2.connection import connected
from hallmark_client.device.roots.tpm2.indices import free_index, make_counter
from hallmark_client.device.roots.tpm2.state import SALT_SIZE, TpmState, parse_state


def found_or_begun(
    file: StateFile, tcti: str, *, protected: bool, owner_auth: bytearray, random_bytes: Callable[[int], bytes]
) -> TpmState:
    """What the file says; where there is none, what a new one says before anything is in the TPM."""
    data = file.read()
    if data is not None:
        state = parse_state(data)
        if state.protected != protected:
            said = "needs its authorization value" if state.protected else "was made without an authorization value"
            raise RootUnavailable("ROOT_UNAVAILABLE", f"this TPM root {said}")
        return state
    with connected(tcti) as connection:
        persistent = templates.STORAGE_KEY if connection.exists(templates.STORAGE_KEY) else 0
        parent = storage_parent(connection, persistent, owner_auth)
        state = TpmState(
            index=free_index(connection, random_bytes),
            salt=random_bytes(SALT_SIZE),
            protected=protected,
            parent_handle=persistent,
            parent_name=connection.name_of(parent),
        )
        _check_parent(connection.esapi.read_public(parent)[0].publicArea.objectAttributes)
    file.write(state.to_bytes())
    return state


def finish(chip: Chip, file: StateFile) -> None:
    """Makes what is missing and writes it down."""
    with chip.reached() as here:
        if chip.state.made:
            here.count(here.counter())  # it is the same TPM, and the authorization value is right
            return
        name = make_counter(here)
        public, private = _attestation_key(here)
    chip.state = replace(chip.state, name=name, ak_public=public, ak_private=private)
    file.write(chip.state.to_bytes())


def _attestation_key(here: Reached) -> tuple[bytes, bytes]:
    """TPM2B_PUBLIC and TPM2B_PRIVATE."""
    tss, esapi = here.connection.tss, here.connection.esapi
    secret = tss.TPM2B_SENSITIVE_CREATE(tss.TPMS_SENSITIVE_CREATE(userAuth=here.chip.auth_value))
    template = templates.attestation_key(tss, protected=here.chip.state.protected)
    private, public, *_ = esapi.create(here.parent, secret, template, session1=here.session)
    return public.marshal(), private.marshal()


def _check_parent(attributes: int) -> None:
    """A key that came from outside the TPM, or may leave it, is no parent."""
    wanted = int(templates.STORAGE_ATTRIBUTES)
    if int(attributes) & wanted != wanted:
        raise RootLost(failures.another_tpm().reason, "the key at 0x81000001 is no storage key that this TPM made")
