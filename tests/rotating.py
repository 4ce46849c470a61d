"""An agency of the test realm that asks to rotate, with keys that are the same each time, and ways to ask wrongly."""

from dataclasses import dataclass, field
from functools import cached_property

from broker.crypto.certificates import fingerprint
from broker.crypto.keys import PrivateKey
from broker.crypto.requests import new_tls_key, request_certificate
from broker.crypto.suites import SUITES
from broker.envelope.jws import ROTATION_PROOF_TYP, ROTATION_TYP, Signer, sign_both
from broker.envelope.rotation import Wish, binding_of, parse_rotation, request_rotation, row_digest
from schemas.canonical import b64u, canonical, parse, unb64u
from tests.builders import NOW, Realm, private_key


@dataclass
class Rotator:
    """`parts`: what it asks for, of `sign`, `wrap`, `certificate`; `label` makes other new keys."""

    id: str = "us-dea"
    realm: Realm = field(default_factory=Realm)
    parts: tuple[str, ...] = ("sign", "wrap", "certificate")
    label: str = "next"
    made: int = NOW - 60
    over: dict = field(default_factory=dict)

    @cached_property
    def tls(self) -> bytes:
        return new_tls_key()

    @property
    def present(self) -> Signer:
        return self.realm.members[self.id].sign

    @property
    def signer(self) -> Signer:
        return Signer(*(private_key(alg, f"{self.id} {self.label}") for alg in SUITES[self.realm.suite].signatures))

    @property
    def wrap(self) -> PrivateKey:
        return private_key(SUITES[self.realm.suite].wrap, f"{self.id} {self.label}")

    def request(self) -> bytes:
        row = next(each for each in self.realm.directory.agencies if each.id == self.id)
        made = {
            "realm": self.realm.realm,
            "suite": self.realm.suite,
            "agency": self.id,
            "directory": self.realm.snapshot.ref,
            "row": row_digest(row),
            "made": self.made,
            "signer": self.signer if "sign" in self.parts else None,
            "wrap": self.wrap.public if "wrap" in self.parts else None,
            "certificate": (2, self.certificate, self.csr) if "certificate" in self.parts else None,
        }
        return request_rotation(Wish(**{**made, **self.over}), self.present)

    @property
    def certificate(self) -> str:
        return fingerprint(self.realm.members[self.id].client)

    def csr(self, binding: str) -> bytes:
        return request_certificate(self.tls, self.id, 2, binding)

    def parsed(self):
        return parse_rotation(self.request())

    def body(self):
        return parse(unb64u(parse(self.request())["payload"]))

    def signed(self, fields, *, present: Signer | None = None, new: Signer | None = None) -> bytes:
        """A request with any body, with good signatures of `present` and proofs of `new`."""
        payload = b64u(canonical(fields))
        made = {"payload": payload, "signatures": _both(payload, present or self.present, ROTATION_TYP)}
        if "sign" in self.parts:
            made["proofs"] = _both(payload, new or self.signer, ROTATION_PROOF_TYP)
        return canonical(made)

    def bound(self, fields) -> bytes:
        """As `signed`, with a certificate request that is bound to this body."""
        csr = b64u(self.csr(binding_of(fields)))
        return self.signed({**fields, "certificate": {**fields["certificate"], "csr": csr}})


def _both(payload, signer, typ):
    return [each.to_object() for each in sign_both(payload, signer, typ)]
