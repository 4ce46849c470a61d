"""The look at a store on PostgreSQL."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg

from broker.store.look import Look, seen
from broker.store.session import UnfitServerError, at_opening, open_session, parameters, unanswered


def look_at_server(url: str, head: tuple[int, bytes] | None = None) -> Look:
    """Read in one snapshot what the database holds; `head`: a (size, root) to look for.

    Raises:
        IntegrityError: CONFIG_INVALID; the URL, or a server that no ledger should be on.
        UnavailableError: the server does not answer, with its words.
    """
    given = parameters(url)
    try:
        with closing(open_session(given)) as session:

            def ask(statement: str, values: Sequence[Any] = ()) -> list[Any]:
                return session.execute(statement.encode(), values or None).fetchall()

            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            tables = {name for (name,) in ask("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")}
            ((failed,),) = ask(
                "SELECT coalesce(checksum_failures, 0) FROM pg_stat_database WHERE datname = current_database()"
            )
            major, minor = divmod(session.info.server_version, 10_000)
            return seen(
                ask,
                tables,
                head,
                engine=f"PostgreSQL {major}.{minor}",
                unsafe=None,  # what is, does not get a session
                fault=f"{failed} of PostgreSQL's pages did not have their checksum" if failed else None,
                now="extract(epoch FROM clock_timestamp())::float8",
                mark="%s",
            )
    except UnfitServerError as error:
        raise at_opening(error) from error
    except psycopg.Error as error:
        raise unanswered(error) from error
