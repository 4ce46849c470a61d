"""The store of a deployment: where it is, and a look at it that changes nothing."""

from broker.config import GatewaySettings
from broker.store.look import Look, look


def look_at_store(settings: GatewaySettings, head: tuple[int, bytes] | None = None) -> Look | None:
    """What the store's file holds, None where there is none yet; `head`: a (size, root) to look for in it.

    Raises:
        IntegrityError: code `log-invalid`.
    """
    path = settings.at(settings.paths.store)
    return look(path, head) if path.exists() else None


def store_url(settings: GatewaySettings) -> str:
    """Where the store is, for `SqlStore`."""
    return f"sqlite:///{settings.at(settings.paths.store)}" if settings.embedded else settings.store
