"""Deny lists that come to two processes of a gateway at once."""

import time

import pytest

from broker.assembly.deny import DenyLists, deny_signers, list_in, put_lists, sign_next
from broker.assembly.realm import local_directory, operator_keys
from broker.cli.deployment import create
from broker.errors import RequestError
from schemas.canonical import parse
from schemas.deny import Denial, DenyList, SignedDenyList
from schemas.problem import Code


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return create(tmp_path_factory.mktemp("founded") / "d", demo=True).gateway()


def signed(settings, *denials):
    snapshot, keys = local_directory(settings).current(), settings.at(settings.paths.realm_keys)
    return sign_next(snapshot, "IND", deny_signers(keys, "IND"), denials)


def keeper(settings, rival):
    """`rival` comes into force after the list was checked, before it is installed."""
    folder, secrets = settings.at(settings.paths.directory), settings.at(settings.paths.realm_keys)

    def operator():
        put_lists(folder, operator_keys(secrets), [rival])
        return operator_keys(secrets)

    return DenyLists(folder, operator)


def on_its_way(made):
    return SignedDenyList(metadata=parse(made.metadata), document=DenyList.from_json(made.document))


def test_the_very_one_is_in_force(settings):
    made = signed(settings)
    kept = keeper(settings, made).keep(on_its_way(made))
    assert (kept.version, kept.fresh) == (made.version, False)


def test_another_of_its_version_is_its_senders_to_sign_anew(settings):
    made, other = signed(settings), signed(settings, Denial(agency="in-nia", at=int(time.time())))
    with pytest.raises(RequestError, match="Sign it again") as refused:
        keeper(settings, other).keep(on_its_way(made))
    assert refused.value.code is Code.DENY_LIST_INVALID
    assert list_in(local_directory(settings).current(), "IND").version == other.version
