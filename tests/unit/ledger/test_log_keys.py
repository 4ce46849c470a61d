"""A ledger, a guard and mirrors while the log's keys are exchanged."""

from pathlib import Path

import pytest

from broker.crypto.keys import SeedKey
from broker.errors import IntegrityError, UnavailableError
from broker.ledger.fetch import files_of
from broker.ledger.fsck import check_log
from broker.ledger.guard import FileGuard
from broker.ledger.mirror import mirror
from broker.ledger.witness import Witness
from broker.merkle.note import LogSigner, judged
from broker.merkle.receipt import verify_receipt
from broker.merkle.signers import LogSigners
from schemas.directory import Log
from tests.unit.ledger.ledgers import LOG, ORIGIN, SIGNER, START, Ledgers, accepted, note
from tests.unit.ledger.test_witness import KEY, request

NEW = LogSigner(ORIGIN, SeedKey("Ed25519", b"n" * 32), SeedKey("ML-DSA-44", b"n" * 32))


def row(current: LogSigner, *former: tuple[LogSigner, int | None]) -> Log:
    return Log(
        gateway="in-setu",
        origin=ORIGIN,
        ed25519=current.vkeys[0],
        mldsa44=current.vkeys[1],
        former=tuple(each.pair.model_copy(update={"size": size}) for each, size in former) or None,
    )


BOTH = row(NEW, (SIGNER, None))


def test_a_log_goes_on_under_another_pair(tmp_path: Path):
    """Before, both, after: one ledger, one mirror, and the receipt of before is the same bytes as ever."""
    signers = LogSigners(LOG, [SIGNER, NEW])
    with Ledgers(tmp_path) as ledgers:
        (first,) = ledgers.commit(accepted(1))
        ledgers.publisher.publish()
        mirror(files_of(ledgers.reader), tmp_path / "mirror", LOG)
    stages = [(LOG, 2), (BOTH, 3), (row(NEW, (SIGNER, 3)), 4)]
    for log, number in stages:
        signers.go_by(log)
        with Ledgers(tmp_path, signer=signers) as ledgers:
            (made,) = ledgers.commit(accepted(number))
            (again,) = ledgers.commit(accepted(1))
            assert again.receipt == first.receipt
            for each in (first, made):
                verify_receipt(each.receipt, log)
            ledgers.publisher.publish()
            found = mirror(files_of(ledgers.reader), tmp_path / "mirror", log)
            assert (found.before, found.size) == (number - 1, number)
            assert check_log(files_of(ledgers.reader), log).size == number


@pytest.mark.parametrize(
    ("log", "held"),
    [
        pytest.param(BOTH, [NEW, SIGNER], id="both sign"),
        pytest.param(row(NEW, (SIGNER, 9)), [NEW], id="the former pair is gone"),
        pytest.param(row(NEW, (SIGNER, 1)), [NEW], id="the guard's own head is above its size"),
    ],
)
def test_a_guard_that_holds_a_head_under_the_former_pair_is_its_own(tmp_path: Path, log: Log, held: list[LogSigner]):
    with Ledgers(tmp_path) as ledgers:
        ledgers.fill(3)
    with Ledgers(tmp_path, signer=LogSigners(log, held)) as ledgers:
        (made,) = ledgers.commit(accepted(1))
        assert 0 in judged(made.receipt.checkpoint.encode(), ORIGIN, log.pairs).pairs


def test_a_guard_under_a_pair_of_nobodys_is_refused(tmp_path: Path):
    with Ledgers(tmp_path) as ledgers:
        ledgers.fill(3)
    with pytest.raises(IntegrityError, match="In the guard file"):
        Ledgers(tmp_path, signer=LogSigners(row(NEW), [NEW])).open()


def test_a_mirror_of_before_goes_on_though_its_head_is_above_the_size(tmp_path: Path):
    signers = LogSigners(LOG, [SIGNER, NEW])
    with Ledgers(tmp_path, signer=signers) as ledgers:
        ledgers.fill(5)
        ledgers.publisher.publish()
        mirror(files_of(ledgers.reader), tmp_path / "mirror", LOG)
        stolen = row(NEW, (SIGNER, 2))
        signers.go_by(stolen)
        ledgers.fill(2)
        ledgers.publisher.publish()
        assert mirror(files_of(ledgers.reader), tmp_path / "mirror", stolen).before == 5


def test_a_mirror_takes_no_head_of_whoever_has_a_former_pair(tmp_path: Path):
    with Ledgers(tmp_path) as ledgers:
        ledgers.fill(5)
        ledgers.publisher.publish()
        with pytest.raises(IntegrityError, match="at most 4 entries"):
            mirror(files_of(ledgers.reader), tmp_path / "mirror", row(NEW, (SIGNER, 4)))
    assert not (tmp_path / "mirror" / "checkpoint").exists()


def test_what_must_not_be_signed_is_in_doubt_and_ends_nothing(tmp_path: Path):
    signers = LogSigners(LOG, [SIGNER])
    with Ledgers(tmp_path, signer=signers) as ledgers:
        ledgers.fill(1)
        with pytest.raises(IntegrityError):
            signers.widen(BOTH)
        signers.withhold("Copy them.")
        with pytest.raises(UnavailableError, match="Copy them"):
            signers.sign(1, bytes(32))
        signers.take([SIGNER, NEW])
        signers.widen(BOTH)
        assert ledgers.commit(note(7))[0].index == 1


def test_a_witness_takes_heads_under_the_pairs_it_was_given(tmp_path: Path):
    file = FileGuard(tmp_path / "head")
    made = Witness(file, ORIGIN, [SIGNER.pair], name="w", key=KEY, now=lambda: START)
    assert made.add(request(0, 3)).status == 200
    assert made.add(request(3, 5, signer=NEW)).status == 403
    assert made.go_by([SIGNER.pair, NEW.pair])
    assert [made.add(request(3, 5, signer=NEW)).status, made.add(request(5, 7)).status] == [200, 200]
    assert not made.go_by([NEW.pair])  # the head it holds is the former pair's alone
    assert [made.add(request(7, 9)).status, made.add(request(7, 9, signer=NEW)).status] == [403, 200]
    assert made.go_by([NEW.pair])
    file.close()
    again = Witness(FileGuard(tmp_path / "head"), ORIGIN, [NEW.pair], name="w", key=KEY, now=lambda: START)
    assert again.size == 9
    again._file.close()
