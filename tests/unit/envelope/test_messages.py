"""What a refusal says: where, and never what was sent."""

import pytest

from broker.errors import PacketError
from schemas.packet import SuiteName
from schemas.problem import Code
from tests.bend import edit, replace, with_fields, with_handling, with_protected, without
from tests.builders import Realm
from tests.forge import Forge, accept, refused


@pytest.fixture(scope="module", params=list(SuiteName))
def realm(request):
    return Realm(request.param)


def test_messages_never_quote_the_input(realm):
    marker = "zzmarkerzz"
    cases = [
        Forge(realm, fields=with_fields(**{marker: marker})),
        Forge(realm, fields=with_fields(kind=marker.upper())),
        Forge(realm, fields=with_handling(tlp=marker)),
        Forge(realm, fields=with_handling(**{marker: 1})),
        Forge(realm, protected=with_protected(kid=marker)),
        Forge(realm, protected=with_protected(**{marker: 1})),
        Forge(realm, protected=with_protected(alg=marker)),
        Forge(realm, jwe=replace("/recipients/0/header/alg", lambda _: marker)),
        Forge(realm, packet=lambda packet: {**packet, marker: 1}),
        Forge(realm, packet=edit("/jwe/iv", marker)),
    ]
    for case in cases:
        with pytest.raises(PacketError) as found:
            accept(case.make(), realm)
        assert marker not in f"{found.value} {found.value.pointer}".lower()


def test_a_signature_made_for_something_else_is_called_so(realm):
    bent = Forge(realm, protected=with_protected(typ="JWT"))
    assert "something else" in refused(bent.make(), realm, Code.SIGNATURE_INVALID).message


@pytest.mark.parametrize(
    ("hooks", "pointer"),
    [
        pytest.param({"fields": with_handling(tlp="PINK")}, "/handling/tlp", id="nested member"),
        pytest.param({"fields": lambda f: {**f, "to": [{**f["to"][0], "kid": "x"}]}}, "/to/0/kid", id="in a list"),
        pytest.param({"fields": with_fields(x=1)}, "", id="unknown member: where it stands"),
        pytest.param({"fields": without("iat")}, "/iat", id="missing member"),
    ],
)
def test_a_schema_fault_is_pointed_at(realm, hooks, pointer):
    assert refused(Forge(realm, **hooks).make(), realm, Code.SCHEMA).pointer == pointer
