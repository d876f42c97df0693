"""Events, leases, status lists and snapshots of Hallmark: read, verified and applied, without the service.

Depends on the standard library and `cryptography`, on `hallmark_composite` and `hallmark_tlog`, which reads
CBOR with `cbor2`. Holds no key, opens no connection, asks no clock: keys, bytes and times are arguments.

    verifier = EventVerifier(trusted_keys=keys, log_policy=policy)
    fact = verifier.verify_event(event, evidence, before=state.status_of(event.subject))
    state.apply(fact.event)

Where things are
- what is said: types (which events there are), subject_ids (RFC 9493), event_set (one event as canonical JSON)
- what holds: state (the reducer: newest event of each subject) with state_entry and outcome
- what may be used: lease (and until when), trusted_time (what time it is at least)
- what is believed: verified (events) and heartbeat, by trust (keys, log) and batch (the Merkle tree over many)
- files: manifest, snapshot_files and snapshot (the read plane); status_list, as token status_list_jwt, status_list_cwt
- tokens of others: jws (two signatures, or ES256 by a JWKS), base64url
- canonical (the one spelling of JSON), errors (all of them, as one tree)
"""
