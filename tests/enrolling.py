"""An agency that asks to be enrolled, with keys that are the same each time, and ways to make its request wrong."""

from dataclasses import dataclass, field
from functools import cached_property

from broker.crypto.keys import PrivateKey
from broker.crypto.requests import new_tls_key, request_certificate
from broker.crypto.suites import SUITES
from broker.envelope.enrolment import Offer, binding_of, parse_enrolment, request_enrolment
from broker.envelope.jws import ENROLMENT_TYP, Signer, sign_both
from schemas.canonical import b64u, canonical, parse, unb64u
from schemas.packet import SuiteName
from tests.builders import NOW, Realm, private_key


@dataclass
class Applicant:
    """`label` makes other keys."""

    id: str = "us-tst"
    name: str = "Test Service"
    suite: SuiteName = SuiteName.HYBRID_768
    label: str = ""
    realm: str = field(default_factory=lambda: Realm().realm)
    made: int = NOW - 60

    @cached_property
    def tls(self) -> bytes:
        return new_tls_key()

    @property
    def signer(self) -> Signer:
        algorithms = SUITES[self.suite]
        return Signer(*(private_key(alg, f"applicant {self.label}") for alg in algorithms.signatures))

    @property
    def wrap(self) -> PrivateKey:
        return private_key(SUITES[self.suite].wrap, f"applicant {self.label}")

    def request(self, wrap: PrivateKey | None = None) -> bytes:
        return request_enrolment(
            Offer(self.realm, self.suite, self.id, self.name, self.made),
            self.signer,
            (wrap or self.wrap).public,
            self.csr,
        )

    def csr(self, binding: str) -> bytes:
        return request_certificate(self.tls, self.id, 1, binding)

    def parsed(self):
        return parse_enrolment(self.request())

    def body(self):
        return parse(unb64u(parse(self.request())["payload"]))

    def signed(self, fields, signer: Signer | None = None) -> bytes:
        """A request with any body, with good signatures of `signer`."""
        payload = b64u(canonical(fields))
        signatures = sign_both(payload, signer or self.signer, ENROLMENT_TYP)
        return canonical({"payload": payload, "signatures": [each.to_object() for each in signatures]})

    def bound(self, fields) -> bytes:
        """As `signed`, with a certificate request that is bound to this body."""
        return self.signed({**fields, "csr": b64u(self.csr(binding_of(fields)))})
