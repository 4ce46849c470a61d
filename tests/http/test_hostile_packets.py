"""Every row of the table of hostile input that concerns packets and access, over real HTTP and TLS, real flows behind.

Each answer is a problem document with the stated status and code, quotes nothing, and nothing is accepted.
"""

import json
import time
import uuid

import pytest

from broker.crypto.keys import generate
from schemas import registry
from schemas.canonical import canonical, unb64u
from schemas.packet import MEDIA_TYPE
from schemas.problem import Code
from tests.bend import with_fields
from tests.faults import BENT, CHANGED
from tests.forge import Forge, same
from tests.http.live import Live

STATUS = {
    Code.JSON_INVALID: 400,
    Code.ENVELOPE_INVALID: 400,
    Code.BAD_CURSOR: 400,
    Code.SIGNATURE_INVALID: 401,
    Code.KEY_UNKNOWN: 401,
    Code.FORBIDDEN: 403,
    Code.POLICY_DENIED: 403,
    Code.SENDER_MISMATCH: 403,
    Code.NOT_FOUND: 404,
    Code.ID_CONFLICT: 409,
    Code.SCHEMA: 422,
    Code.KIND_UNKNOWN: 422,
    Code.WRONG_AUDIENCE: 422,
    Code.WRONG_SUITE: 422,
    Code.CLOCK_SKEW: 422,
    Code.EXPIRED: 422,
    Code.LIFETIME: 422,
    Code.RECIPIENT_UNKNOWN: 422,
    Code.COMMITMENT_MISMATCH: 422,
    Code.WRAP_INVALID: 422,
    Code.RATE_LIMITED: 429,
}
CANARY = "c4n4ry"
RECIPIENTS_OWN = "a wrap of another content key"
"""Each reader can open its own wrap only, so this one is for the recipient to find."""


def tip(**over):
    return {**next(iter(registry.samples("tip").values())), **over}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Live(tmp_path_factory.mktemp("live"))
    yield made
    made.close()


def present(live, case=same):
    """A header of the present, with an id of its own, bent by the case's own hook last."""

    def fields(made):
        now = int(time.time())
        with_id = {**made, "id": str(uuid.UUID(int=now * 1000 << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int % 2**62))}
        return case({**with_id, "iat": now, "exp": now + 3600, "handling": registry.sample_handling()})

    return fields


def forged(live, **hooks):
    fields = present(live, hooks.pop("fields", same))
    payload = hooks.pop("payload", canonical(tip()))
    return Forge(live, **{"to": ("us-dea", live.gateway), "fields": fields, "payload": payload, **hooks}).make()


def post(live, raw, agency="in-ncb", path="/v1/packets"):
    return live.http[agency].post(path, content=raw, headers={"content-type": MEDIA_TYPE})


def refused(answer, code):
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (STATUS[code], code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    assert CANARY not in answer.text
    return problem


def test_in_a_batch_each_is_answered_as_alone_and_the_good_among_them_are_accepted(live):
    """Every packet of the two tables that a gateway refuses, among good ones, in one request."""
    cases = [(code, forged(live, **hooks)) for name, (code, hooks) in BENT.items() if name != RECIPIENTS_OWN]
    cases += [(code, forged(live, packet=change)) for code, change in CHANGED.values()]
    lines = [(201, None, forged(live))]
    for code, raw in cases:
        lines += [(STATUS[code], code, raw), (201, None, forged(live))]
    before = live.accepted()
    answer = live.http["in-ncb"].post(
        "/v1/packets:batch",
        content=b"".join(raw + b"\n" for _, _, raw in lines),
        headers={"content-type": "application/x-ndjson"},
    )
    *told, last = (json.loads(line) for line in answer.content.splitlines())
    assert [(each["status"], each.get("problem", {}).get("code")) for each in told] == [line[:2] for line in lines]
    assert last == {"done": len(lines)}
    assert CANARY not in answer.text
    assert live.accepted() == before + len(cases) + 1


def test_what_the_second_maker_makes_is_accepted(live):
    assert post(live, forged(live)).status_code == 201


def test_a_recipients_wrap_that_does_not_open_is_rejected_by_the_recipient(live):
    digest = live.clients["in-ncb"].post(forged(live, **BENT[RECIPIENTS_OWN][1])).digest
    told = []
    for packet in live.clients["us-dea"].follow(
        "tip", drain=True, wait=0, report=lambda *said, **more: told.append((said, more))
    ):
        assert packet.digest != digest
    assert live.clients["in-ncb"].timeline(digest).states == {"us-dea": "rejected"}
    assert told


@pytest.mark.parametrize(
    ("code", "hooks"), [pytest.param(*case, id=name) for name, case in BENT.items() if name != RECIPIENTS_OWN]
)
def test_signed_but_not_allowed(live, code, hooks):
    before = live.accepted()
    refused(post(live, forged(live, **hooks)), code)
    assert live.accepted() == before


@pytest.mark.parametrize(("code", "change"), [pytest.param(*case, id=name) for name, case in CHANGED.items()])
def test_changed_on_the_way(live, code, change):
    before = live.accepted()
    refused(post(live, forged(live, packet=change)), code)
    assert live.accepted() == before


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"jwe":1,"jwe":1,"jws":1}', id="duplicate key"),
        pytest.param(b'{"jwe":NaN,"jws":1}', id="NaN"),
        pytest.param(b"[" * 33 + b"]" * 33, id="depth 33"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="depth 100,000"),
        pytest.param('{"jwe":{},"jws":{}}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"jwe":"\xc0\xaf","jws":{}}', id="overlong UTF-8"),
        pytest.param(b'{"jwe":{},"jws":{}}x', id="trailing bytes"),
        pytest.param(b'{"jwe":' + b"9" * 5000 + b',"jws":{}}', id="5,000-digit number"),
        pytest.param(b'{"jwe":"\\ud800","jws":{}}', id="lone surrogate"),
        pytest.param(b'\xef\xbb\xbf{"jwe":{},"jws":{}}', id="byte order mark"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/packets", "/v1/packets:check"])
def test_not_strict_json(live, raw, path):
    refused(post(live, raw, path=path), Code.JSON_INVALID)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(tip(title="a\0b"), Code.SCHEMA, id="NUL in text"),
        pytest.param(tip(title="a\u202eb"), Code.SCHEMA, id="U+202E in text"),
        pytest.param(
            tip(substances=[{"name": "Fentanyl", "cas": "437-38-\u0437"}]), Code.SCHEMA, id="Cyrillic in a CAS number"
        ),
        pytest.param(tip(substances=[{"name": "Fentanyl", "cas": "437-38-8"}]), Code.SCHEMA, id="CAS check digit"),
        pytest.param(tip(**{CANARY: 1}), Code.SCHEMA, id="extra field"),
        pytest.param(tip(discipline="RUMINT"), Code.SCHEMA, id="not in the list"),
        pytest.param(tip(title=None), Code.SCHEMA, id="null"),
        pytest.param(b'{"title":1e5}', Code.SCHEMA, id="fraction"),
        pytest.param(b'{"title":"a","title":"b"}', Code.JSON_INVALID, id="duplicate key in the payload"),
        pytest.param(b"not json", Code.JSON_INVALID, id="payload that is no JSON"),
        pytest.param(b"", Code.JSON_INVALID, id="empty payload"),
    ],
)
def test_payloads_that_are_refused_point_at_the_field_and_are_on_record(live, payload, code):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    before = len(list(live.clients["in-audit"].search(types=["refused"], code=code.value)))
    problem = refused(post(live, forged(live, payload=raw)), code)
    if code is Code.SCHEMA:
        assert problem["pointer"].startswith("/") or problem["pointer"] == ""  # the whole payload
    assert len(list(live.clients["in-audit"].search(types=["refused"], code=code.value))) == before + 1


def seconds(**over):
    now = int(time.time())
    return with_fields(**{name: now + delta for name, delta in over.items()})


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param(lambda: seconds(iat=400), Code.CLOCK_SKEW, id="issued more than 300 s ahead"),
        pytest.param(lambda: seconds(iat=-7200, exp=-1), Code.EXPIRED, id="expired"),
        pytest.param(lambda: seconds(exp=8 * 86_400), Code.LIFETIME, id="valid too long"),
        pytest.param(lambda: seconds(iat=200, exp=100), Code.LIFETIME, id="expires before it is issued"),
        pytest.param(lambda: with_fields(kind="seizures"), Code.KIND_UNKNOWN, id="unknown kind"),
        pytest.param(lambda: with_fields(kind_version=9), Code.KIND_UNKNOWN, id="unknown version"),
        pytest.param(lambda: with_fields(suite="hybrid-1024"), Code.SIGNATURE_INVALID, id="the other suite"),
    ],
)
def test_time_and_kind(live, fields, code):
    refused(post(live, forged(live, fields=fields())), code)


def test_a_late_issue_time_is_no_error(live):
    assert post(live, forged(live, fields=seconds(iat=-6 * 86_400, exp=3600))).status_code == 201


def test_the_same_digest_gets_the_original_receipt_and_another_digest_a_conflict(live):
    raw = forged(live)
    first, again = post(live, raw), post(live, raw)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.content == again.content
    respelt = json.dumps(json.loads(raw), indent=1).encode()
    assert post(live, respelt).content == first.content  # the digest names a packet, not its spelling
    parsed_id = _header(raw)["id"]
    refused(post(live, forged(live, fields=with_fields(id=parsed_id))), Code.ID_CONFLICT)
    assert post(live, raw).content == first.content


def test_an_expired_packet_asked_again_still_gets_its_receipt(live):
    raw = forged(live, fields=seconds(iat=-10, exp=2))
    first = post(live, raw)
    assert first.status_code == 201
    time.sleep(3)
    assert post(live, raw).content == first.content


def test_another_agencys_packet_is_not_mine_to_send(live):
    refused(post(live, forged(live), agency="us-cbp"), Code.SENDER_MISMATCH)


def test_signed_by_another_agencys_keys(live):
    other = live.members["us-cbp"].sign
    refused(post(live, forged(live, signers=(other.classical, other.post_quantum))), Code.KEY_UNKNOWN)


def test_signed_by_keys_nobody_enrolled(live):
    refused(post(live, forged(live, signers=(generate("Ed25519"), generate("ML-DSA-65")))), Code.KEY_UNKNOWN)


def test_wrapped_to_a_key_nobody_enrolled(live):
    stranger = generate("HPKE-9-KE").public
    readers = [("us-dea", stranger), (live.gateway, live.wrap_key(live.gateway))]
    refused(post(live, forged(live, readers=readers)), Code.RECIPIENT_UNKNOWN)


def test_addressed_to_nobody_known(live):
    readers = [("us-deaf", generate("HPKE-9-KE").public), (live.gateway, live.wrap_key(live.gateway))]
    refused(post(live, forged(live, readers=readers)), Code.RECIPIENT_UNKNOWN)


@pytest.mark.parametrize("count", [65, 200])
def test_too_many_recipients(live, count):
    readers = [(f"us-a{n}", generate("HPKE-9-KE").public) for n in range(count)]
    refused(post(live, forged(live, readers=readers)), Code.ENVELOPE_INVALID)


def test_a_recipient_outside_policy_names_rule_and_remedy(live):
    handling = {**registry.sample_handling(), "releasable_to": ["IND"]}
    problem = refused(post(live, forged(live, fields=with_fields(handling=handling))), Code.POLICY_DENIED)
    rules = {each["rule"] for each in problem["rules"]}
    assert any(rule.startswith("1.") for rule in rules)
    assert all(each["sentence"] and each["remedy"] and each["recipient"] for each in problem["rules"])


def test_a_source_that_would_travel(live):
    handling = registry.sample_handling()
    handling["flags"] = {**handling["flags"], "sanitised": False}
    problem = refused(post(live, forged(live, fields=with_fields(handling=handling))), Code.POLICY_DENIED)
    assert problem["rules"][0]["rule"] == "9.sanitised"


def test_another_agencys_packet_answers_as_for_nothing(live):
    raw = forged(live)
    assert post(live, raw).status_code == 201
    digest = live.clients["in-ncb"].post(raw).digest
    http = live.http["us-fincen"]
    for suffix in ("", "/proof"):
        theirs = http.get(f"/v1/packets/{digest}{suffix}")
        nothing = http.get(f"/v1/packets/{'A' * 64}{suffix}")
        refused(theirs, Code.NOT_FOUND)
        assert theirs.content == nothing.content
        assert theirs.headers == {**nothing.headers}


@pytest.mark.parametrize("topic", ["setu.us-dea.tip", "setu.us-deaf.tip", "setu.us-fincen.tip/../x", "x"])
def test_another_agencys_topic_answers_as_for_nothing(live, topic):
    refused(live.http["us-fincen"].get(f"/v1/topics/{topic}/packets"), Code.NOT_FOUND)


@pytest.mark.parametrize("cursor", ["AAAA", "A" * 32, "../../etc/passwd", "-1", "%00"])
def test_a_forged_cursor(live, cursor):
    refused(live.http["us-dea"].get(f"/v1/topics/setu.us-dea.tip/packets?cursor={cursor}"), Code.BAD_CURSOR)


def test_a_cursor_of_another_topic(live):
    page = live.http["us-dea"].get("/v1/topics/setu.us-dea.tip/packets?limit=1").json()
    answer = live.http["us-dea"].get("/v1/topics/setu.us-dea.pen/packets", params={"cursor": page["cursor"]})
    refused(answer, Code.BAD_CURSOR)


@pytest.mark.parametrize("path", ["/log/checkpoint", "/log/tile/0/000.p/1", "/log/tile/entries/000.p/1"])
def test_an_agency_on_an_auditors_route(live, path):
    refused(live.http["us-dea"].get(path), Code.FORBIDDEN)


def test_an_agency_searches_only_what_it_is_party_to(live):
    for item in live.clients["us-fincen"].search():
        entry = item.entry
        named = (entry.actor, entry.recipient, *(entry.packet.to if entry.packet else ()))
        assert "us-fincen" in named
        assert entry.type not in ("refused", "conflict") or entry.actor == "us-fincen"


def test_no_log_line_and_no_stored_byte_shows_a_payload(live):
    secret = f"{CANARY} lies under the third stone"
    assert post(live, forged(live, payload=canonical(tip(narrative=secret)))).status_code == 201
    refused(post(live, forged(live, payload=canonical(tip(narrative=secret, discipline="RUMINT")))), Code.SCHEMA)
    folder = live.deployment.path
    for path in [*folder.rglob("*"), folder.parent / "gateway.log"]:
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path


def _header(raw):
    return json.loads(unb64u(json.loads(raw)["jwe"]["aad"]))
