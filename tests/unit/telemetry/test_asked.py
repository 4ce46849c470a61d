"""A question is asked once at a time, its answer kept for a while, and nobody waits for it longer than he likes."""

import asyncio
import threading
import time

from broker.errors import UnavailableError
from broker.telemetry.asked import Asked


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_an_answer_is_kept_until_it_is_no_longer_fresh() -> None:
    clock, answers = Clock(), iter(range(9))
    asked = Asked(lambda: next(answers), fresh=5.0, monotonic=clock)
    assert asked.last is None
    for seconds, answer in ((0, 0), (4.9, 0), (0.2, 1), (1, 1), (5, 2)):
        clock.now += seconds
        await asked.refresh(1.0)
        assert asked.last == answer


async def test_without_an_answer_the_last_one_stays_and_that_is_said() -> None:
    clock, store = Clock(), [1]

    def ask() -> int:
        if not store:
            raise UnavailableError("Expected a store, found none.")
        return store[0]

    asked = Asked(ask, fresh=0.0, monotonic=clock)
    await asked.refresh(1.0)
    store.clear()
    await asked.refresh(1.0)
    assert (asked.last, asked.trouble) == (1, True)
    store.append(2)
    await asked.refresh(1.0)
    assert (asked.last, asked.trouble) == (2, False)


async def test_one_question_at_a_time_and_the_loop_goes_on() -> None:
    answer, questions = threading.Event(), []

    def ask() -> int:
        questions.append(1)
        answer.wait(10)
        return 7

    asked = Asked(ask, fresh=60.0)
    begun = time.monotonic()
    await asyncio.gather(*(asked.refresh(0.05) for _ in range(5)))
    await asked.refresh(0.05)
    assert time.monotonic() - begun < 1
    assert (asked.last, len(questions)) == (None, 1)
    answer.set()
    await asked.refresh(5.0)
    assert asked.last == 7
