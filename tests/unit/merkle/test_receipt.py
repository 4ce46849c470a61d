import pytest

from broker.errors import IntegrityError
from broker.merkle.proof import inclusion_path
from broker.merkle.receipt import make_receipt, verify_receipt
from broker.merkle.tree import leaf_hash
from schemas.canonical import b64u, canonical, unb64u
from schemas.evidence import EntryType, Receipt
from schemas.problem import Code
from tests.unit.ledger.ledgers import LOG, SIGNER, entry
from tests.unit.merkle.trees import mth, nodes

ENTRIES = [canonical(entry(note=f"number {n}", time="2026-01-31T12:00:00.000000Z")) for n in range(11)]
HASHES = [leaf_hash(each) for each in ENTRIES]
HEAD = SIGNER.sign(11, mth(HASHES)).decode()
GOOD = make_receipt(ENTRIES[4], 4, inclusion_path(4, 11, nodes(HASHES)), HEAD)


def test_a_receipt_gives_its_entry():
    read = Receipt.from_json(GOOD.canonical())
    assert read == GOOD
    found = verify_receipt(read, LOG)
    assert (found.type, found.note) == (EntryType.OPERATOR_ACTION, "number 4")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"index": 5}, "leads to the signed root", id="another index"),
        pytest.param({"entry": b64u(ENTRIES[5])}, "leads to the signed root", id="another entry"),
        pytest.param({"path": GOOD.path[:-1]}, "longer", id="path cut"),
        pytest.param({"path": (*GOOD.path[:-1], b64u(bytes(32)))}, "leads to the signed root", id="another node"),
        pytest.param({"path": (*GOOD.path[:-1], b64u(bytes(31)))}, "expected 32 bytes", id="node too short"),
        pytest.param({"checkpoint": HEAD.replace("11", "12")}, "signature to verify", id="another head"),
        pytest.param({"checkpoint": "nothing"}, "three lines", id="no head"),
        pytest.param({"index": 11}, "within the tree", id="beyond the tree"),
    ],
)
def test_receipts_that_do_not_hold(changes: dict[str, object], message: str):
    with pytest.raises(IntegrityError, match=message) as caught:
        verify_receipt(GOOD.model_copy(update=changes), LOG)
    assert caught.value.code is Code.RECEIPT_INVALID


def test_a_leaf_that_is_no_entry():
    leaves = [leaf_hash(b"{}")]
    receipt = make_receipt(b"{}", 0, inclusion_path(0, 1, nodes(leaves)), SIGNER.sign(1, leaves[0]).decode())
    with pytest.raises(IntegrityError, match="Expected a ledger entry"):
        verify_receipt(receipt, LOG)


def test_the_entry_is_carried_as_it_is():
    assert unb64u(GOOD.entry) == ENTRIES[4]
