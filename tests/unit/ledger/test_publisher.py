import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.errors import IntegrityError, UnavailableError
from broker.ledger.publisher import INTERVAL, LEASE, LEASE_SECONDS, Publisher
from broker.merkle.note import parse_checkpoint
from broker.store.port import StoreBrokenError
from tests.unit.ledger.ledgers import Ledgers, Service, note


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[Ledgers]:
    with Ledgers(tmp_path) as opened:
        yield opened


def _published(ledgers: Ledgers) -> int:
    return parse_checkpoint(ledgers.reader.checkpoint()).size


def test_publishing_moves_to_the_newest_guarded_head(ledgers: Ledgers):
    assert ledgers.publisher.publish()
    assert not ledgers.publisher.publish()
    ledgers.fill(3)
    assert _published(ledgers) == 0
    assert ledgers.publisher.publish()
    assert ledgers.reader.checkpoint() == ledgers.guard.read()


def test_two_publishers_never_go_back(ledgers: Ledgers):
    late = Publisher(ledgers.store, ledgers.guard)
    ledgers.fill(3)
    assert ledgers.publisher.publish()
    assert not late.publish()
    assert _published(ledgers) == 3


def test_in_the_background_and_once_more_at_the_end(ledgers: Ledgers):
    publisher = Publisher(ledgers.store, ledgers.guard, interval=0.01)
    publisher.start()
    ledgers.commit(note(1))
    deadline = time.monotonic() + 10
    while _published(ledgers) < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _published(ledgers) == 1
    publisher.close()
    slow = Publisher(ledgers.store, ledgers.guard, interval=3600)
    slow.start()
    ledgers.commit(note(2))
    slow.close()
    assert _published(ledgers) == 2


def test_of_several_the_one_that_holds_the_lease_publishes(tmp_path: Path):
    service = Service(tmp_path)
    with Ledgers(tmp_path, service=service) as one, Ledgers(tmp_path, service=service) as two:
        assert one.publisher.publish()
        (found,) = two.commit(note(1))
        assert not two.publisher.publish()
        assert one.publisher.publish()
        assert two.reader.checkpoint() == found.receipt.checkpoint.encode()
        one.publisher.close()
        one.commit(note(2))
        assert two.publisher.publish()
        two.publisher.close()
    service.file.close()


def test_a_publisher_that_is_gone_is_replaced_within_ten_seconds(tmp_path: Path):
    assert LEASE_SECONDS + INTERVAL < 10
    service = Service(tmp_path)
    with Ledgers(tmp_path, service=service) as one:
        gone = one.store.lease(LEASE, "gone", 0.3)
        assert gone is not None
        one.commit(note(1))
        late = Publisher(one.store, one.guard, interval=0.05, holder="late")
        late.start()
        deadline = time.monotonic() + 10
        while one.store.published() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert _published(one) == 1
        late.close()
    service.file.close()


def test_a_head_whose_writer_is_gone_is_signed_and_published_though_nobody_asks_for_it(tmp_path: Path):
    service = Service(tmp_path)
    with Ledgers(tmp_path, service=service) as one:
        one.commit(note(1))
        gone = Ledgers(tmp_path, service=service).open()
        gone.crash("committed", [note(2)])
        assert one.publisher.publish()
        assert _published(one) == 1
        assert one.publisher.publish()
        assert _published(one) == 2
        assert not one.publisher.publish()
        (found,) = one.commit(note(3))
        assert found.index == 2
        one.publisher.close()
    service.file.close()


class _Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error
        self.tries = 0

    def publish(self, size: int, note: bytes) -> bool:
        self.tries += 1
        raise self.error


@pytest.mark.parametrize(
    ("error", "deaths"),
    [
        pytest.param(UnavailableError("busy"), 0, id="busy"),
        pytest.param(IntegrityError("log-invalid", "damaged"), 0, id="damaged"),
        pytest.param(StoreBrokenError("fsync failed"), 1, id="broken"),
    ],
)
def test_failures_in_the_background(ledgers: Ledgers, error: Exception, deaths: int):
    died: list[int] = []
    store = _Failing(error)
    publisher = Publisher(store, ledgers.guard, interval=3600, die=lambda: died.append(1))
    with pytest.raises(type(error)):
        publisher.publish()
    publisher._thread.start()
    publisher.close()
    assert (store.tries, len(died)) == (2, deaths)
