"""The gateways of a deployment as they run: what each says on its operator's listener."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from broker.config import GatewaySettings
from broker.errors import UnavailableError

EVERY, ANSWERS = 0.1, 5.0


class Running:
    """Args:
    settings: of each gateway; all workers of each are asked. One that is not there is no trouble: it goes by what it
        finds when it starts.
    further: host:port of the operator's listeners of other processes, which must be there.
    """

    def __init__(self, settings: Sequence[GatewaySettings], further: Sequence[str] = ()) -> None:
        self._places = [each.worker(n).listen.operations for each in settings for n in range(each.workers)]
        self._further = further

    def ready(self) -> list[dict[str, Any]]:
        """What `/readyz` of each that runs says; of one that is not ready, the problem."""
        own = [found for place in self._places if (found := _ask(place)) is not None]
        return own + [_ask(place) or {"detail": f"nothing at {place}"} for place in self._further]

    def wait(self, holds: Callable[[dict[str, Any]], bool], patience: float, what: str) -> int:
        """Wait until it holds of all that run; returns how many that are.

        Raises:
            UnavailableError: it does not, after `patience` seconds.
        """
        deadline = time.monotonic() + patience
        while True:
            found = self.ready()
            wrong = [each for each in found if not (each.get("ready") is True and holds(each))]
            if not wrong:
                return len(found)
            if time.monotonic() >= deadline:
                said = wrong[0].get("detail") or wrong[0].get("title") or "is ready without it"
                raise UnavailableError(
                    f"Expected that each process of this log {what}, found that {len(wrong)} of {len(found)} does not.",
                    advice=f"One of them says: {said}",
                )
            time.sleep(EVERY)


def _ask(place: str) -> dict[str, Any] | None:
    try:
        found = httpx.get(f"http://{place}/readyz", timeout=ANSWERS, trust_env=False).json()
    except httpx.ConnectError:
        return None
    except (httpx.HTTPError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
