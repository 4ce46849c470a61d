"""The store of a deployment, for those who only look at it."""

from broker.config import GatewaySettings
from broker.store.look import Look, look


def look_at_store(settings: GatewaySettings, head: tuple[int, bytes] | None = None) -> Look | None:
    """What the store's file holds, None where there is none yet; `head`: a (size, root) to look for in it.

    Raises:
        IntegrityError: code `log-invalid`.
    """
    path = settings.at(settings.paths.store)
    return look(path, head) if path.exists() else None
