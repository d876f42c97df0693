"""Keys in a PKCS#11 token. `provider.Pkcs11KeyProvider` is the way in.

The service's process never loads the token's library. It starts one short set-up process (setup.py), then one signer
process per core (worker.py) and talks to them over socket pairs:

    provider > pool > process ~~~ frames ~~~ worker > signer > token      (left of ~~~: the service's process)

The driver is imported only by modules that run in the child processes (worker and setup, and what they import). So a
crash, a hang or a lost token never takes the service down, and the PIN never enters it.
"""
