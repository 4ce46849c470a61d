"""What a gateway does again and again beside its requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from broker.errors import SetuError

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
