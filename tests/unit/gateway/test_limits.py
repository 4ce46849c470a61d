import pytest

from broker.errors import CallerError
from broker.gateway.limits import Buckets, Seats
from schemas.problem import Code


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    clock = Clock()
    buckets = Buckets(2.0, 3.0, clock)
    for _ in range(3):
        buckets.take("us-dea")
    with pytest.raises(CallerError) as caught:
        buckets.take("us-dea")
    assert caught.value.code is Code.RATE_LIMITED
    clock.time += 0.5
    buckets.take("us-dea")
    with pytest.raises(CallerError):
        buckets.take("us-dea")


def test_one_agencys_flood_is_not_anothers() -> None:
    buckets = Buckets(1.0, 1.0, Clock())
    buckets.take("us-dea")
    buckets.take("in-ncb")
    with pytest.raises(CallerError):
        buckets.take("us-dea")


@pytest.mark.parametrize(
    ("rate", "wait"),
    [pytest.param(0.1, 10, id="slow"), pytest.param(1.0, 1, id="one"), pytest.param(50.0, 1, id="fast")],
)
def test_retry_after_is_when_there_is_a_token_again(rate: float, wait: int) -> None:
    clock = Clock()
    buckets = Buckets(rate, 1.0, clock)
    buckets.take("us-dea")
    with pytest.raises(CallerError) as caught:
        buckets.take("us-dea")
    assert caught.value.retry_after == wait
    clock.time += wait
    buckets.take("us-dea")


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    buckets = Buckets(10.0, 2.0, clock)
    buckets.take("us-dea")
    clock.time += 3600
    buckets.take("us-dea")
    buckets.take("us-dea")
    with pytest.raises(CallerError):
        buckets.take("us-dea")


def test_asking_while_limited_does_not_postpone_the_end_of_it() -> None:
    clock = Clock()
    buckets = Buckets(1.0, 1.0, clock)
    buckets.take("us-dea")
    for _ in range(9):
        clock.time += 0.1
        with pytest.raises(CallerError):
            buckets.take("us-dea")
    clock.time += 0.2
    buckets.take("us-dea")


def test_a_clock_that_goes_back_gives_nothing() -> None:
    clock = Clock()
    buckets = Buckets(1.0, 1.0, clock)
    buckets.take("us-dea")
    clock.time -= 50
    with pytest.raises(CallerError):
        buckets.take("us-dea")


def test_seats_are_given_back_also_after_an_error() -> None:
    seats = Seats(1)
    with seats.taken("us-dea"), pytest.raises(CallerError) as caught, seats.taken("us-dea"):
        pass
    assert caught.value.code is Code.RATE_LIMITED
    with pytest.raises(ZeroDivisionError), seats.taken("us-dea"), seats.taken("in-ncb"):
        raise ZeroDivisionError
    with seats.taken("us-dea"):
        pass
