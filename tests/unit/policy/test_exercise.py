"""Rule 12: practice partners (country ZZZ) take part in exercises alone, whichever side they are on."""

import pytest

from tests.unit.policy.world import agency, directory, policy, question

CEDAR = policy()
PARTNER = agency("zz-echo", country="ZZZ")


def realm():
    found = directory()
    return found.model_copy(update={"agencies": (*found.agencies, type(found.agencies[0]).from_object(PARTNER))})


REALM = realm()


@pytest.mark.parametrize(
    ("asked", "exercise", "expected"),
    [
        pytest.param({"recipient": "zz-echo"}, True, set(), id="practice-with-it"),
        pytest.param({"sender": "zz-echo", "recipient": "us-dea"}, True, set(), id="its-answer"),
        pytest.param({"recipient": "zz-echo"}, False, {"12.exercise"}, id="real-to-it"),
        pytest.param({"sender": "zz-echo", "recipient": "us-dea"}, False, {"12.exercise"}, id="real-from-it"),
        pytest.param({"recipient": "us-dea"}, False, set(), id="real-between-agencies"),
        pytest.param({"recipient": "us-dea"}, True, set(), id="practice-between-agencies"),
    ],
)
def test_practice_partners_take_part_in_exercises_alone(asked, exercise, expected):
    made = question(realm=REALM, releasable_to=["zz-echo", "us-dea"], **asked)
    header = made.header.model_copy(update={"exercise": exercise})
    decision = CEDAR.decide(type(made)(**{each: getattr(made, each) for each in made.__slots__} | {"header": header}))
    assert {hit.rule for hit in decision.hits} == expected
    assert decision.permit is not bool(expected)
