"""The store of a deployment: where it is, a look at it that changes nothing, and moving it."""

from contextlib import closing
from dataclasses import dataclass

from broker.assembly.guard import shared_guard
from broker.config import GatewaySettings
from broker.errors import IntegrityError
from broker.ledger.guard import FileGuard
from broker.merkle.note import HeadSigner, LogSigner, parse_checkpoint
from broker.store import copying
from broker.store.copying import Copied, Progress
from broker.store.look import Look, look
from broker.store.migrate import Upgraded
from broker.store.opening import driver_missing
from broker.store.sql import SqlStore, upgrade
from schemas.problem import Code


def store_url(settings: GatewaySettings) -> str:
    """Where the store is, for `SqlStore`."""
    return f"sqlite:///{settings.at(settings.paths.store)}" if settings.embedded else settings.store


def look_at_store(settings: GatewaySettings, head: tuple[int, bytes] | None = None) -> Look | None:
    """What the store holds, None where an embedded one has no file yet; `head`: a (size, root) to look for in it.

    Raises:
        IntegrityError: code `log-invalid` or `config-invalid`.
        UnavailableError: a server that does not answer.
    """
    if settings.embedded:
        path = settings.at(settings.paths.store)
        return look(path, head) if path.exists() else None
    try:
        # Imported where it is wanted: who keeps an embedded ledger has no PostgreSQL driver.
        from broker.store.look_postgres import look_at_server  # noqa: PLC0415
    except ImportError:
        raise driver_missing() from None
    return look_at_server(settings.store, head)


def shared_note(settings: GatewaySettings, signer: HeadSigner) -> bytes | None:
    """The newest head that the gateways' shared guard holds."""
    with closing(SqlStore(store_url(settings))) as store, closing(shared_guard(settings, signer, store)) as guard:
        return guard.read()


def guard_takes(settings: GatewaySettings, signer: LogSigner) -> bool:
    """Whether the gateways' shared guard takes heads under this pair alone; raises UnavailableError."""
    with closing(SqlStore(store_url(settings))) as store, closing(shared_guard(settings, signer, store)) as guard:
        return guard.takes(signer)


def upgrade_store(settings: GatewaySettings) -> Upgraded:
    """Bring the store to this program's schema.

    Raises:
        IntegrityError: code `config-invalid`; its schema is newer than this program.
        UnavailableError: it does not answer.
    """
    return upgrade(store_url(settings))


@dataclass(frozen=True, slots=True)
class Move:
    """An embedded ledger that was copied. guard: the file of the head that a shared guard begins with."""

    copied: Copied
    guard: str


def copy_store(settings: GatewaySettings, target: str, progress: Progress) -> Move:
    """Copy an embedded ledger to the store at the URL `target`, and check the whole log there.

    Raises:
        IntegrityError: `config-invalid`: not an embedded ledger, a gateway runs on it, or the target is not empty;
            `rollback`, `log-invalid`: the ledger is not what it was.
        UnavailableError: the target does not answer.
    """
    path, guard_path = settings.at(settings.paths.store), settings.at(settings.paths.guard)
    if not settings.embedded or not path.exists():
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected the settings of an embedded ledger to copy, found another store or no file.",
            advice='Name the settings with store = "sqlite" and its file; --to names the database it goes to.',
        )
    with closing(FileGuard(guard_path)) as guard:  # held, so that no gateway writes meanwhile
        note = guard.read()
        guarded = None
        if note is not None:
            head = parse_checkpoint(note)
            guarded = (head.size, head.root, note)
        return Move(copying.copy(store_url(settings), target, guarded, progress), str(guard_path))
