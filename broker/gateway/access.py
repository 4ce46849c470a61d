"""The page that says what each route answers to each kind of caller, made from the routes' descriptions."""

from collections.abc import Sequence

from broker.gateway.describe import lookups
from broker.gateway.describe.callers import ACCESS, STANDS, Access, Stand, Verdict
from broker.gateway.describe.operation import Operation
from broker.gateway.openapi import OPERATIONS
from broker.gateway.problems import TABLE
from schemas.problem import Code

NAME = "access.md"
_HEAD = """\
# Who is answered what

Made from the descriptions of the routes by `setu schema publish`; [openapi.json](openapi.json) has the same for
programs, as `x-setu-callers` of each operation. The tests ask a real gateway every route as every kind of caller, and
compare.

A kind of caller is its place in the realm, by the certificate it shows and what the directory says of that, and for an
agency its part in the packet that the request is about. Of several that fit, the widest holds. It is a caller that:
"""
_FOOT = """\
Where a route takes what is signed (packets, acknowledgements), the table is about what callers have signed themselves.
What another agency has signed is refused with `sender-mismatch`, whoever brings it. In a batch, each line is
answered so.

A recipient that was not offered the packet yet, because the release policy withholds it or nothing fetched it, is
another agency. What a caller may not see is answered with the same bytes as what does not exist: `not-found` never says
which of the two it is. Who is forbidden a route is so whatever it asks about.
"""
_MACHINE = """\
The second listener, of the machine itself (`{paths}`), asks for no certificate. On the first one
these paths do not exist.
"""


def page() -> str:
    """The page, Markdown."""
    same = {stand: verdict for stand in Stand if (verdict := _alike(OPERATIONS, stand)) is not None}
    columns = [stand for stand in Stand if stand not in same]
    parts = [_HEAD]
    parts.append("".join(f"- **{stand}** {about}\n" for stand, about in STANDS.items()))
    parts.append("On every route:\n")
    parts.append("".join(f"- {stand}: {_said(verdict)}\n" for stand, verdict in same.items()))
    parts.append("Else by the route:\n")
    parts.append(_table(columns))
    used = dict.fromkeys(each.who.verdicts[stand] for stand in columns for each in OPERATIONS)
    parts.append("".join(f"- {_cell(verdict)}: {_meaning(verdict)}\n" for verdict in used))
    parts.append(_FOOT)
    parts.append(_MACHINE.format(paths="`, `".join(each.path for each in lookups.OPERATOR)))
    return "\n".join(parts)


def _alike(operations: Sequence[Operation], stand: Stand) -> Verdict | None:
    found = {each.who.verdicts[stand] for each in operations}
    return found.pop() if len(found) == 1 else None


def _table(columns: Sequence[Stand]) -> str:
    rows = [["route", *columns], ["---"] * (len(columns) + 1)]
    rows += [
        [f"`{each.method} {each.path}`", *(_cell(each.who.verdicts[stand]) for stand in columns)] for each in OPERATIONS
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(verdict: Verdict) -> str:
    return f"`{verdict}`" if isinstance(verdict, Code) else f"**{verdict}**"


def _said(verdict: Verdict) -> str:
    return f"{_cell(verdict)}, {_meaning(verdict)}"


def _meaning(verdict: Verdict) -> str:
    if isinstance(verdict, Access):
        return ACCESS[verdict]
    status, title = TABLE[verdict]
    return f"{status}, {title[0].lower()}{title[1:]}"
