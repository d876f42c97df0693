"""An attested phone that registered an HPKE key: its folder is a profile of its own."""

import shutil
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hallmark_client import Client, Profile
from hallmark_client.model.devices import DeviceHpkeKey, hpke_message
from hallmark_envelope import EnvelopePrivateKey, HpkeKem
from support.service import RunningService

KEM = HpkeKem.MLKEM768_X25519


class Phone:
    def __init__(self, service: RunningService, folder: Path, *, seed: bytes = bytes(range(32))) -> None:
        folder.mkdir()
        self.folder, self.hpke = folder, EnvelopePrivateKey.from_seed(KEM, seed)
        with service.client("backend") as backend:
            challenge = backend.devices.create_challenge()
            key = service.phone.generate_key(challenge.challenge)
            assert isinstance(key.private_key, ec.EllipticCurvePrivateKey)
            message = hpke_message(challenge.challenge, int(KEM), self.hpke.public_key)
            signature = key.private_key.sign(message, ec.ECDSA(hashes.SHA256()))
            unsigned = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
            answer = backend.devices.attest(
                challenge.name,
                [part.data for part in key.evidence.parts],
                key_spki=key.spki,
                certificate_request=unsigned.sign(key.private_key, hashes.SHA256()).public_bytes(Encoding.DER),
                hpke_key=DeviceHpkeKey(kem_id=int(KEM), public_key=self.hpke.public_key, signature=signature),
            )
        assert answer.device is not None, answer.verdict
        assert answer.certificate is not None
        self.name = answer.device.name
        shutil.copytree(service.home / "clients" / "device", folder, dirs_exist_ok=True)
        certificate = x509.load_der_x509_certificate(answer.certificate.certificate)
        (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        private = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "key.pem").write_bytes(private)
        self.profile = Profile.load(folder)

    def client(self) -> Client:
        return Client(self.profile, timeout_seconds=20)
