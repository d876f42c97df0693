"""Keys in tokens. Knows nothing of the service.

provider.py          the port: what a key store does, and its contract
material.py          what is known of a key outside the token; the service stores it
halves.py            where one private half lives: in the token, or sealed for it
custody.py           the port's second half: envelopes, key-encryption keys, import and export
errors.py            one error tree
pkcs11/              the port over PKCS#11 tokens, in processes of their own
testing/             the port in memory, for tests
engine.py, engines/  post-quantum engines; engine_selection.py decides which signs and which verifies
signing.py           signatures and their check before release
sealing.py           what ties a sealed seed, or a key in the token, to its use
seed_vault.py        seeds sealed, opened with their public key checked, moved under the newest key-encryption key
hpke.py              keys of envelopes
transfer.py          keys that come from elsewhere or may go; foreign_keys.py and der.py are their formats
backup/              a whole token copied, proved and sealed; restored all or nothing
breaker.py           leaves a token alone that failed several times in a row; slot_health.py says how each process is
doctor.py            what is well, what is not, and what to do
"""
