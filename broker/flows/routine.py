"""What a gateway does again and again beside its requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from broker.errors import SetuError

END_SECONDS = 20.0
"""In which work ends once it is told to; what a library holds up is left behind."""

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


async def over(work: "asyncio.Future[None]", seconds: float = END_SECONDS) -> None:
    """Wait so long for its end, however it ends."""
    await asyncio.wait({work}, timeout=seconds)
    if work.done() and not work.cancelled():
        work.exception()


async def ended(work: "asyncio.Future[None]", seconds: float = END_SECONDS) -> None:
    """Cancel it, and wait so long for its end."""
    work.cancel()
    await over(work, seconds)
