"""Which of an agency's own keys sign: the newest that the directory lists; and a sender whose keys are rotated."""

import pytest

from broker.envelope.jws import Signer
from broker.envelope.verify import parse
from broker.errors import SignatureError
from broker.sdk.own import newest_pair
from schemas import registry
from schemas.directory import KeyUse
from tests.builders import NOW, Realm, key_row, private_key
from tests.unit.sdk.simulator import SimulatedGateway
from tests.unit.sdk.world import SimulatedDirectory

REALM = Realm()
TIP, HANDLING = next(iter(registry.samples("tip").values())), registry.sample_handling()
FIRST = REALM.members["us-dea"].sign
NEXT = Signer(private_key("Ed25519", "us-dea next"), private_key("ML-DSA-65", "us-dea next"))
OWN = [NEXT.post_quantum, FIRST.classical, NEXT.classical, FIRST.post_quantum]


def snapshot(first=None, following=None):
    """The directory with the first pair and the next one, and what a test says of each; None: not listed."""
    rows = [] if first is None else [_row(key, **first) for key in (FIRST.classical, FIRST.post_quantum)]
    rows += [] if following is None else [_row(key, **following) for key in (NEXT.classical, NEXT.post_quantum)]
    return REALM.with_(agencies={"us-dea": {"keys": rows}}).snapshot


def _row(key, **over):
    return key_row(key, KeyUse.SIGN, **over).to_object()


@pytest.mark.parametrize(
    ("first", "following", "expected"),
    [
        pytest.param({}, None, FIRST, id="before-the-directory-has-the-next"),
        pytest.param({}, {"not_before": NOW - 1}, NEXT, id="both-are-good"),
        pytest.param({}, {"not_before": NOW + 60}, FIRST, id="the-next-has-not-begun"),
        pytest.param({"not_after": NOW}, {"not_before": NOW - 1}, NEXT, id="the-first-is-over"),
        pytest.param({"state": "retired"}, {"not_before": NOW - 1}, NEXT, id="the-first-is-retired"),
        pytest.param({}, {"not_before": NOW - 1, "state": "revoked"}, FIRST, id="the-next-is-revoked"),
        pytest.param(None, {}, NEXT, id="the-next-alone"),
    ],
)
def test_the_newest_pair_that_is_listed_signs(first, following, expected):
    assert newest_pair(OWN, snapshot(first, following), "us-dea", NOW).kids == expected.kids


@pytest.mark.parametrize(
    ("own", "first"),
    [
        pytest.param(OWN, {"state": "retired"}, id="retired"),
        pytest.param(OWN, {"not_after": NOW}, id="over"),
        pytest.param([NEXT.classical, NEXT.post_quantum], {}, id="none-of-these-is-listed"),
        pytest.param([FIRST.classical], {}, id="one-kind-alone"),
        pytest.param([], {}, id="no-keys"),
    ],
)
def test_where_none_is_listed_nothing_is_signed(own, first):
    with pytest.raises(SignatureError) as found:
        newest_pair(own, snapshot(first), "us-dea", NOW)
    assert found.value.code == "key-unknown"


def test_anothers_keys_are_not_ones_own():
    theirs = REALM.members["us-cbp"].sign
    with pytest.raises(SignatureError):
        newest_pair([theirs.classical, theirs.post_quantum], REALM.snapshot, "us-dea", NOW)


class Own:
    """Keys of `in-ncb` under one label after the other, of which the directory's newest sign."""

    def __init__(self, agency, *labels):
        self._agency = agency
        self._keys = [private_key(alg, agency + label) for label in labels for alg in ("Ed25519", "ML-DSA-65")]

    def signer(self, snapshot, at):
        return newest_pair(self._keys, snapshot, self._agency, at)


def rotated(gateway, agency):
    """The gateway's realm with the agency's first pair retired and a next one good, which nobody has fetched yet."""
    member = gateway.realm.members[agency]
    first = [_row(key, state="retired") for key in (member.sign.classical, member.sign.post_quantum)]
    following = [_row(private_key(alg, f"{agency} next"), not_before=NOW - 1) for alg in ("Ed25519", "ML-DSA-65")]
    wraps = [key_row(member.wrap, KeyUse.WRAP).to_object()]
    return gateway.realm.with_(agencies={agency: {"keys": [*first, *following, *wraps]}})


def stale(gateway, agency):
    """A client that holds the directory before the rotation, while the gateway judges by the one after it."""
    directory = SimulatedDirectory(gateway.realm.snapshot)
    client = gateway.client(agency, directory=directory, signer=Own(agency, "", " next"))
    return client, directory


def test_a_packet_sealed_by_a_directory_that_is_over_is_sealed_once_more_under_its_id():
    gateway = SimulatedGateway()
    client, directory = stale(gateway, "in-ncb")
    client.seal("tip", to="us-dea", payload=TIP, handling=HANDLING)  # now it looks for a newer one in five minutes
    after = rotated(gateway, "in-ncb")
    directory.published.append(after.snapshot)
    gateway.realm = after
    sent = client.send("tip", to="us-dea", payload=TIP, handling=HANDLING)
    posted = [parse(body).header for _, _, path, body in gateway.seen if path == "/v1/packets"]
    assert [each.id for each in posted] == [sent.id, sent.id]
    assert set(posted[0].sig).isdisjoint(posted[1].sig)
    assert len(gateway.packets) == 1


def test_of_many_too():
    gateway = SimulatedGateway()
    client, directory = stale(gateway, "in-ncb")
    client.seal("tip", to="us-dea", payload=TIP, handling=HANDLING)
    after = rotated(gateway, "in-ncb")
    directory.published.append(after.snapshot)
    gateway.realm = after
    found = client.send_many("tip", to="us-dea", payloads=[TIP] * 2, handling=HANDLING)
    assert [type(each).__name__ for each in found] == ["Sent"] * 2
    assert len(gateway.packets) == 2


def test_where_nothing_is_newer_the_refusal_stands():
    gateway = SimulatedGateway()
    client, _ = stale(gateway, "in-ncb")
    gateway.realm = rotated(gateway, "in-ncb")
    with pytest.raises(SignatureError):
        client.send("tip", to="us-dea", payload=TIP, handling=HANDLING)
    assert len([each for each in gateway.seen if each[2] == "/v1/packets"]) == 1


def test_an_acknowledgement_by_a_directory_that_is_over_is_signed_once_more():
    gateway = SimulatedGateway()
    gateway.client("in-ncb").send("tip", to="us-dea", payload=TIP, handling=HANDLING)
    client, directory = stale(gateway, "us-dea")
    (packet,) = client.follow("tip", drain=True)
    after = rotated(gateway, "us-dea")
    directory.published.append(after.snapshot)
    gateway.realm = after
    packet.acknowledge("opened")
    assert len(gateway.acknowledged) == 1
