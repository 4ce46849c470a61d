"""A realm with a caller of every kind the access matrix knows, and a packet that some of them have part in."""

import shutil
import time
from dataclasses import replace

import httpx

from broker.assembly import publish_directory
from broker.assembly.agency import connect, transport_of
from broker.assembly.deny import deny_signers, sign_next
from broker.assembly.keys import keys_in, signer_of
from broker.assembly.realm import local_directory, operator_keys
from broker.cli.deployment import CERTIFICATE_DAYS
from broker.cli.keyring import write_agency_keys
from broker.cli.realm import Enrolled, Member, document
from broker.config import AgencySettings, load
from broker.crypto.certificates import Authority, directory_row
from broker.directory.deny import read_list
from broker.envelope.acknowledge import Statement, acknowledge
from broker.gateway.describe.callers import READERS, Stand
from schemas import registry
from schemas.canonical import parse
from schemas.deny import SignedDenyList
from schemas.directory import AgencyState, Role
from schemas.evidence import AckEvent, AckPacket
from schemas.packet import MEDIA_TYPE, Audience
from tests.http.live import Live

AGENCY = {
    Stand.UNKNOWN: "us-new",
    Stand.SUSPENDED: "us-hsi",
    Stand.OTHER: "us-fincen",
    Stand.RECIPIENT: "us-dea",
    Stand.SENDER: "in-ncb",
    Stand.AUDITOR: "in-audit",
    Stand.WITNESS: "us-wit",
    Stand.OPERATOR: "us-ops",
    Stand.GATEWAY: "us-gate",
}
FURTHER = (
    Member("us-wit", "A witness", roles=(Role.WITNESS,)),
    Member("us-ops", "An operator", roles=(Role.OPERATOR,)),
    Member("us-gate", "Another gateway", roles=(Role.GATEWAY,)),
)
OUTSIDERS = (Stand.UNKNOWN, Stand.SUSPENDED, Stand.OTHER, *(each for each in READERS if each is not Stand.AUDITOR))
"""Who has no part in the packet; the suspended one had."""
NARRATIVE = "c4n4ry under the third stone"
LONGEST = 30.0


def _home(deployment, member):
    """A home for a member, as `setu init --demo` makes one, without keys; returns it and the certificate."""
    home = deployment.path / "agencies" / member.id
    model = deployment.path / "agencies" / f"{member.country}-audit"
    (home / "keys").mkdir(parents=True, mode=0o700)
    for name in ("gateway-ca.pem", "root.json"):
        shutil.copyfile(model / name, home / name)
    text = (model / "agency.toml").read_text("utf-8")
    (home / "agency.toml").write_text(text.replace(f'"{model.name}"', f'"{member.id}"'), "utf-8")
    ca = deployment.path / "ca" / member.country
    issued = Authority.load(ca / "ca.pem", ca / "ca.key").issue_client(
        member.id, 1, now=deployment.now(), days=CERTIFICATE_DAYS
    )
    issued.save(home / "tls.pem", home / "tls.key")
    return home, issued


def _unjudging(path):
    """The same settings for a program that leaves the judgement to the gateway, as no agency."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    other = path.with_name("unjudging.toml")
    other.write_text("".join(line for line in lines if not line.startswith("policies")), "utf-8")
    return other


class Standing(Live):
    """The realm of `setu init --demo`, with a witness, an operator and a gateway that have certificates of their own,
    one certificate that nobody lists, and an agency that is suspended once it was offered the packet.
    """

    def __init__(self, folder):
        super().__init__(folder)
        self._enrol()
        self.unsent = {stand: self._published(stand) for stand in AGENCY if stand is not Stand.UNKNOWN}
        self.sent = self._told()
        self._kept = None
        self._kept = self.packet(Stand.SUSPENDED)
        self._suspend(AGENCY[Stand.SUSPENDED])

    def ask(self, stand, method, path, **more):
        return self.http[AGENCY[stand]].request(method, path, **more)

    def post(self, stand, path, raw, media=MEDIA_TYPE):
        return self.ask(stand, "POST", path, content=raw, headers={"content-type": media})

    def packet(self, stand):
        """A packet that this caller has signed itself; for one that has no keys in the directory, another's."""
        if stand is Stand.SUSPENDED and self._kept is not None:
            return self._kept
        agency = AGENCY[stand] if stand is not Stand.UNKNOWN else AGENCY[Stand.SENDER]
        payload = next(iter(registry.samples("tip").values()))
        handling = registry.sample_handling() | {"purpose": ["investigation"]}
        client, sealed = (self._unjudging[agency], True) if stand in READERS else (self.clients[agency], False)
        return client.seal("tip", to="in-nia", payload=payload, handling=handling, sealed=sealed).raw

    def acknowledgement(self, stand, digest=None, by=None):
        """Signed by this caller, of the packet; `digest`: of another one."""
        agency = by or (AGENCY[stand] if stand is not Stand.UNKNOWN else AGENCY[Stand.SENDER])
        settings = self.deployment.agency(agency)
        packet = AckPacket.from_object(
            {"from": "in-ncb", "id": self.sent.id, "digest": digest or self.sent.digest, "index": self.sent.index}
        )
        said = Statement(
            Audience(realm=self.realm, gateway=self.gateway), agency, AckEvent.RECEIVED, int(time.time()), packet
        )
        return acknowledge(said, signer_of(keys_in(settings.at(settings.keys))), self.suite)

    def deny_list(self, stand):
        """The next of the caller's own country, or of the operator, signed by its keys: as it was, for another day."""
        name = "operator" if stand is Stand.OPERATOR else {"in": "IND", "us": "USA"}[AGENCY[stand][:2]]
        settings = self.deployment.gateway()
        signers = deny_signers(settings.at(settings.paths.realm_keys), name)
        made = sign_next(local_directory(settings).current(), name, signers)
        return SignedDenyList(metadata=parse(made.metadata), document=read_list(made.document, name)).canonical()

    def close(self):
        self._unjudging[AGENCY[Stand.AUDITOR]].close()
        super().close()

    def _enrol(self):
        log = self.snapshot.document.logs[0]
        rows, homes = [], {}
        for member in (*FURTHER, Member(AGENCY[Stand.UNKNOWN], "Nobody lists it")):
            home, issued = _home(self.deployment, member)
            made = write_agency_keys(home / "keys", self.suite)
            if member in FURTHER:
                keys = [(use, key.public) for _, use, key in made]
                rows.append(Enrolled(member, keys, directory_row(issued.der)))
            homes[member.id] = home / "agency.toml"
        now = int(time.time())
        made = document(rows, log, suite=self.suite, version=1, valid=(now - 60, now + 86_400)).agencies
        self._publish(lambda before: {"agencies": (*before.agencies, *made)})
        self.deployment = replace(self.deployment, agencies={**self.deployment.agencies, **homes})
        for agency, path in homes.items():
            self.http[agency] = transport_of(load(AgencySettings, path))
        self._until(lambda: self.ask(Stand.WITNESS, "GET", "/v1/schemas").is_success)
        homes[AGENCY[Stand.AUDITOR]] = self.deployment.agencies[AGENCY[Stand.AUDITOR]]
        self._unjudging = {AGENCY[stand]: connect(_unjudging(homes[AGENCY[stand]])) for stand in READERS}
        self.clients |= {member.id: self._unjudging[member.id] for member in FURTHER}

    def _told(self):
        """The packet, of which both recipients were offered their part."""
        payload = {**next(iter(registry.samples("tip").values())), "narrative": NARRATIVE}
        handling = registry.sample_handling() | {"tlp": "GREEN", "purpose": ["investigation"]}
        recipients = [AGENCY[Stand.RECIPIENT], AGENCY[Stand.SUSPENDED]]
        sent = self.clients["in-ncb"].send("tip", to=recipients, payload=payload, handling=handling)
        for agency in recipients:
            offered = list(self.clients[agency].follow("tip", drain=True))
            assert [each.digest for each in offered] == [sent.digest]
        return sent

    def _published(self, stand):
        return {path: self.ask(stand, "GET", path).content for path in PUBLISHED}

    def _suspend(self, agency):
        def suspended(before):
            rows = tuple(
                each.model_copy(update={"state": AgencyState.SUSPENDED}) if each.id == agency else each
                for each in before.agencies
            )
            return {"agencies": rows}

        self._publish(suspended)
        self._until(lambda: self.http[agency].get("/v1/schemas").status_code == httpx.codes.FORBIDDEN)

    def _publish(self, changed):
        settings = self.deployment.gateway()
        secrets = settings.at(settings.paths.realm_keys)
        before = self.clients["in-ncb"].directory.refresh().signed
        signers = [key for use, key in keys_in(secrets) if use == "targets"]
        after = before.model_copy(update={"version": before.version + 1, **changed(before)})
        publish_directory(settings.at(settings.paths.directory), after, signers, operator_keys(secrets))

    def _until(self, holds):
        deadline = time.monotonic() + LONGEST
        while not holds():
            assert time.monotonic() < deadline, "the gateway took up no new directory"
            time.sleep(0.05)


PUBLISHED = (
    "/v1/schemas",
    "/v1/schemas/tip/1",
    "/v1/openapi.json",
    "/v1/asyncapi.json",
    "/v1/directory/metadata/1.root.json",
)
