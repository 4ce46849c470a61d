"""What a reader makes of receipts while the log's keys are exchanged, by the directory that it holds."""

import pytest

from broker.errors import PacketError, UnavailableError
from broker.merkle.note import LogSigner
from broker.merkle.signers import LogSigners
from broker.sdk.verify import Verifier
from schemas.directory import Log
from schemas.problem import Code
from tests.builders import ORIGIN, Realm, private_key
from tests.unit.sdk.simulator import HANDLING, TIP, SimulatedGateway
from tests.unit.sdk.world import SimulatedDirectory

FIRST = Realm()
OLD = LogSigner(ORIGIN, FIRST.log_ed25519, FIRST.log_mldsa44)
NEW = LogSigner(ORIGIN, private_key("Ed25519", "new log"), private_key("ML-DSA-44", "new log"))


def row(current, *former):
    """`former`: (signer, size or None)."""
    return Log(
        gateway=FIRST.gateway,
        origin=ORIGIN,
        ed25519=current.vkeys[0],
        mldsa44=current.vkeys[1],
        former=tuple(each.pair.model_copy(update={"size": size}) for each, size in former) or None,
    )


BOTH = FIRST.with_(document={"logs": [row(NEW, (OLD, None)).to_object()]})
ENDED = BOTH.with_(document={"logs": [row(NEW, (OLD, 9)).to_object()]})
STOLEN = BOTH.with_(document={"logs": [row(NEW, (OLD, 0)).to_object()]})


def signing(*pairs):
    return LogSigners(row(pairs[0], *((each, None) for each in pairs[1:])), pairs)


def send(gateway, directory):
    return gateway.client("in-ncb", directory=directory).send("tip", to=["us-dea"], payload=TIP, handling=HANDLING)


def proven(gateway, directory):
    """The index of an entry of that gateway's, by its receipt alone."""
    index = gateway.commit({"type": "ledger_read", "actor": "in-audit"})
    return Verifier("in-audit", FIRST.gateway, directory, {}).receipt(gateway.receipt(index))[0].index


def reading(gateway, directory):
    """The indices of what us-dea gets, and what of it was rejected."""
    client = gateway.client("us-dea", directory=directory, patience=1)
    told = []
    found = [each.index for each in client.follow("tip", drain=True, report=told.append)]
    return found, [each.code for each in told]


def gateway_of(signer, entries=FIRST):
    """It accepts under the directory that its entries name."""
    made = SimulatedGateway(entries)
    made.log = signer
    return made


@pytest.mark.parametrize(
    ("signer", "entries", "held"),
    [
        pytest.param(OLD, FIRST, FIRST, id="before"),
        pytest.param(OLD, FIRST, BOTH, id="a receipt of before, read later"),
        pytest.param(OLD, FIRST, ENDED, id="a receipt of before, read when the old pair has ended"),
        pytest.param(signing(NEW, OLD), FIRST, FIRST, id="both sign, and nobody knows the new pair yet"),
        pytest.param(signing(NEW, OLD), BOTH, BOTH, id="both sign"),
        pytest.param(NEW, ENDED, ENDED, id="after"),
    ],
)
def test_a_receipt_verifies_without_asking_again(signer, entries, held):
    realms = SimulatedDirectory(*(each.snapshot for each in dict.fromkeys((entries, held))))
    assert proven(gateway_of(signer, entries), realms) == 0
    assert realms.refreshed == 0


@pytest.mark.parametrize(
    "entries",
    [pytest.param(FIRST, id="of an entry of before"), pytest.param(ENDED, id="of an entry of after")],
)
def test_a_reader_behind_asks_for_the_newer_directory(entries):
    realms = SimulatedDirectory(FIRST.snapshot)
    realms.published = [each.snapshot for each in (FIRST, BOTH, ENDED)]
    assert proven(gateway_of(NEW, entries), realms) == 0
    assert realms.refreshed == 1


def test_a_reader_behind_that_cannot_ask_rejects_nothing():
    gateway = gateway_of(NEW)
    realms = SimulatedDirectory(FIRST.snapshot)
    realms.published += [BOTH.snapshot, ENDED.snapshot]
    send(gateway, realms)
    behind = SimulatedDirectory(FIRST.snapshot)
    behind.unreachable = True
    with pytest.raises(UnavailableError):
        proven(gateway, behind)
    behind.unreachable, behind.published = False, realms.published
    assert reading(gateway, behind) == ([0], [])


@pytest.mark.parametrize(
    ("signer", "held"),
    [
        pytest.param(NEW, FIRST, id="a pair that no directory names"),
        pytest.param(OLD, STOLEN, id="a stolen pair, above its size, though the entry names the version before"),
    ],
)
def test_a_receipt_under_keys_that_do_not_count_proves_nothing(signer, held):
    realms = SimulatedDirectory(*(each.snapshot for each in dict.fromkeys((FIRST, held))))
    with pytest.raises(PacketError) as caught:
        proven(gateway_of(signer), realms)
    assert caught.value.code is Code.RECEIPT_INVALID
    assert realms.refreshed == 1


def test_a_log_that_ended_is_judged_by_the_row_of_its_time():
    another = LogSigner("log.another.example/in", NEW.ed25519, NEW.mldsa44)
    row_of_another = row(another).model_copy(update={"origin": another.origin})
    later = FIRST.with_(document={"logs": [row_of_another.to_object()]})
    realms = SimulatedDirectory(FIRST.snapshot, later.snapshot)
    assert proven(gateway_of(OLD), realms) == 0
    with pytest.raises(PacketError):
        proven(gateway_of(NEW), realms)
