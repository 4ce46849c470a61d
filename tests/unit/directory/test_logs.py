"""What a directory may say of a log's keys, by itself and after the version before it."""

import pytest

from broker.directory.check import check_document
from broker.directory.logs import both_sign, dropped, ended, replaced, row_of
from broker.errors import IntegrityError
from broker.merkle.note import LogSigner
from schemas.directory import Directory, KeyState
from tests.builders import ORIGIN, Realm, private_key

REALM = Realm()
GATEWAY = REALM.gateway
OLD = LogSigner(ORIGIN, REALM.log_ed25519, REALM.log_mldsa44)
NEW = LogSigner(ORIGIN, private_key("Ed25519", "new"), private_key("ML-DSA-44", "new"))
FURTHER = LogSigner(ORIGIN, private_key("Ed25519", "further"), private_key("ML-DSA-44", "further"))
OTHER = LogSigner("log.other.example/in", private_key("Ed25519", "o"), private_key("ML-DSA-44", "o"))
AT = 1_790_000_000

BEFORE = REALM.directory
BOTH = replaced(BEFORE, GATEWAY, NEW.pair, now=AT, days=700)
ENDED = ended(BOTH, GATEWAY, 12)
STOLEN = replaced(BEFORE, GATEWAY, NEW.pair, now=AT, days=700, compromised_at=5)


def states(document):
    agency = next(each for each in document.agencies if each.id == GATEWAY)
    return {key.kid: (key.state, key.compromised_since) for key in agency.keys if key.use == "log"}


def with_row(document, **members):
    log = document.to_object()["logs"][0] | members
    return Directory.from_object(document.to_object() | {"logs": [log], "version": document.version + 1})


def test_each_step_is_a_sound_next_version():
    for number, document in enumerate((BEFORE, BOTH, ENDED)):
        assert document.version == BEFORE.version + number
        check_document(Directory.from_json(document.canonical()))
    assert row_of(BOTH, GATEWAY).pairs == (NEW.pair, OLD.pair)
    assert both_sign(row_of(BOTH, GATEWAY)) == (OLD.pair,)
    assert [each.size for each in row_of(ENDED, GATEWAY).pairs] == [None, 12]
    assert [each.size for each in row_of(STOLEN, GATEWAY).pairs] == [None, 5]
    assert list(dropped(BEFORE, BOTH)) == list(dropped(BOTH, ENDED)) == list(dropped(BEFORE, STOLEN)) == []


def test_where_two_signed_and_one_was_compromised_the_other_is_retired():
    again = replaced(BOTH, GATEWAY, FURTHER.pair, now=AT, days=700, compromised_at=5)
    listed = states(again)
    assert {listed[key.public.kid] for key in (NEW.ed25519, NEW.mldsa44)} == {(KeyState.REVOKED, AT)}
    kids = [key.public.kid for key in (OLD.ed25519, OLD.mldsa44)]
    assert {listed.get(kid, (KeyState.RETIRED, None)) for kid in kids} == {(KeyState.RETIRED, None)}


def test_the_keys_rows_say_it_too():
    kids = [key.public.kid for key in (OLD.ed25519, OLD.mldsa44)]
    new = [key.public.kid for key in (NEW.ed25519, NEW.mldsa44)]
    assert {states(BOTH)[kid] for kid in new} == {(KeyState.ACTIVE, None)}
    assert {states(ENDED).get(kid, (KeyState.RETIRED, None)) for kid in kids} == {(KeyState.RETIRED, None)}
    assert {states(STOLEN).get(kid, (KeyState.REVOKED, AT)) for kid in kids} == {(KeyState.REVOKED, AT)}


def test_a_log_that_is_not_there():
    with pytest.raises(IntegrityError, match="this gateway's ledger"):
        row_of(BEFORE, "in-nia")


@pytest.mark.parametrize(
    ("former", "said"),
    [
        pytest.param([OLD.pair], "two verifier keys of one id", id="the current pair once more"),
        pytest.param([NEW.pair, NEW.pair], "two verifier keys of one id", id="a pair twice"),
        pytest.param([OTHER.pair], "something else than pairs", id="another log's pair"),
        pytest.param(
            [NEW.pair.model_copy(update={"mldsa44": NEW.vkeys[0]})], "something else than pairs", id="two of one kind"
        ),
        pytest.param([NEW.pair.model_copy(update={"ed25519": "x"})], "something else than pairs", id="no key"),
    ],
)
def test_rows_that_are_not_sound(former, said):
    document = with_row(BEFORE, former=[each.to_object() for each in former])
    with pytest.raises(IntegrityError, match=said):
        check_document(document)


OLDER = OLD.pair.to_object()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param(BEFORE, with_row(BEFORE, ed25519=NEW.vkeys[0], mldsa44=NEW.vkeys[1]), "without a pair", id="gone"),
        pytest.param(ENDED, with_row(ENDED, former=[NEW.pair.to_object()]), "without a pair", id="another instead"),
        pytest.param(ENDED, with_row(ENDED, former=[OLDER]), "counts further", id="without its size"),
        pytest.param(ENDED, with_row(ENDED, former=[OLDER | {"size": 13}]), "counts further", id="a larger size"),
        pytest.param(
            ENDED,
            with_row(ENDED, ed25519=OLD.vkeys[0], mldsa44=OLD.vkeys[1], former=[NEW.pair.to_object()]),
            "counts further",
            id="current again",
        ),
    ],
)
def test_a_version_that_takes_something_from_a_log(before, after, said):
    (found,) = dropped(before, after)
    assert said in found


def test_a_smaller_size_and_another_log_take_nothing():
    assert list(dropped(ENDED, with_row(ENDED, former=[OLDER | {"size": 9}]))) == []
    another = Directory.from_object(
        ENDED.to_object()
        | {"logs": [{"gateway": GATEWAY, "origin": OTHER.origin, "ed25519": OTHER.vkeys[0], "mldsa44": OTHER.vkeys[1]}]}
    )
    assert list(dropped(ENDED, another)) == []
