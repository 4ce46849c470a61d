"""What a gateway does again and again beside its requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from broker.errors import IntegrityError, SetuError

END_SECONDS = 20.0
"""In which work ends once it is told to; what a library holds up is left behind."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


async def again(work: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Run `work` for ever, `seconds` after it ended the last time. Its failure is logged and not the end."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except SetuError as error:
            _log.warning("routine put off", extra={"code": error.code, "found": error.message})
        except Exception:  # noqa: BLE001 - a routine outlives whatever one run of it meets
            _log.exception("routine failed")


async def each_of(found: Iterable[T], work: Callable[[T], Awaitable[None]]) -> None:
    """One after the other. A record that is damaged keeps none of the others from its turn.

    Raises:
        IntegrityError: the first one's, when all had their turn.
    """
    damaged = None
    for one in found:
        try:
            await work(one)
        except IntegrityError as error:
            damaged = damaged or error
    if damaged is not None:
        raise damaged


async def over(work: "asyncio.Future[None]", seconds: float = END_SECONDS) -> None:
    """Wait so long for its end, however it ends."""
    await asyncio.wait({work}, timeout=seconds)
    if work.done() and not work.cancelled():
        work.exception()


async def ended(work: "asyncio.Future[None]", seconds: float = END_SECONDS) -> None:
    """Cancel it, and wait so long for its end."""
    work.cancel()
    await over(work, seconds)
