"""Events, leases, status lists and snapshots of Hallmark: read, verified and applied, without the service.

Depends on the standard library and `cryptography`, on `hallmark_composite` and `hallmark_tlog`, and for status lists as
CWT on `cbor2`. Holds no key, opens no connection, asks no clock: keys, bytes and times are arguments.

    verifier = EventVerifier(trusted_keys=keys, log_policy=policy)
    fact = verifier.verify_event(event, evidence, before=state.status_of(event.subject))
    state.apply(fact.event)

Where things are
- what is said: types (which events there are), subject_ids (RFC 9493), event_set (one event as canonical JSON)
- what holds: state (the reducer: newest event of each subject), lease (may this be used now?)
- what is believed: verified (signature, Merkle batch, log), batch (the Merkle tree of leases and heartbeats)
- files: status_list with status_list_jwt and status_list_cwt (Token Status Lists), manifest and snapshot (read plane)
- tokens of others: jws (two signatures, or ES256 by a JWKS)
- canonical (the one spelling of JSON), errors (all of them, as one tree)
"""
