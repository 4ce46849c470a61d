"""Verifying and searching offline: a mirror, a receipt, a proof, with public keys alone."""

import pytest

from broker.merkle.tiles import write_bundle
from broker.merkle.tree import leaf_hash
from schemas.canonical import canonical
from tests.builders import NOW
from tests.unit.cli.exchange import Exchange, at
from tests.unit.merkle.trees import mth

RULES = {"outcome": "permit", "rules": ["permit.deliver"]}


@pytest.fixture(scope="module")
def exchange():
    found = Exchange()
    found.entries[1]["decision"] = RULES
    refused = {**found.entries[1], "type": "refused", "code": "policy-denied", "time": at(NOW + 86_400)}
    counted = found.entry("refused_many", NOW + 86_500, "us-cbp", code="schema", count=3)
    read = found.entry("ledger_read", NOW + 86_600, "us-audit", event="search", note="party=us-dea")
    found.entries += [refused, counted, read]
    return found


def write_log(folder, exchange, size=None):
    raw = [canonical(each) for each in exchange.entries][:size]
    hashes = [leaf_hash(each) for each in raw]
    files = {
        "checkpoint": exchange.signer.sign(len(raw), mth(hashes)),
        f"tile/0/000.p/{len(raw)}": b"".join(hashes),
        f"tile/entries/000.p/{len(raw)}": write_bundle(raw),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def mirror(exchange, tmp_path):
    return write_log(tmp_path / "log", exchange)


@pytest.fixture
def vkeys(exchange, write):
    return write("vkeys", f"{exchange.log.ed25519}\n{exchange.log.mldsa44}\n".encode())


def test_a_mirror_holds(setu, mirror, vkeys, exchange):
    found = setu("audit", "verify", mirror, "--vkey", vkeys, "--json").json()
    assert (found["what"], found["ok"], found["size"]) == ("log", True, len(exchange.entries))
    assert "This log holds." in setu("audit", "verify", mirror, "--vkey", vkeys).out


@pytest.mark.parametrize("words", [("audit", "search"), ("outcomes",)], ids=["search", "outcomes"])
def test_a_folder_that_is_no_mirror_is_named(setu, tmp_path, words):
    said = setu(*words, tmp_path)
    assert said.status == 1
    assert f"Expected a mirror of the log in {tmp_path}, found no checkpoint there." in said.err.replace("\n", "")
    assert "setu audit mirror" in said.err


def test_a_mirror_is_never_made_among_other_files(setu, write, tmp_path):
    write("setu.toml", b'gateway = "in-setu"\n')
    said = setu("audit", "mirror", tmp_path, "--as", write("agency.toml", b""))
    assert said.status == 1
    assert "found other files in it" in said.err.replace("\n", " ")
    assert {each.name for each in tmp_path.iterdir()} == {"setu.toml", "agency.toml"}


def test_a_mirror_continues_a_checkpoint_kept_earlier(setu, mirror, vkeys, exchange, tmp_path):
    earlier = write_log(tmp_path / "earlier", exchange, 3) / "checkpoint"
    found = setu("audit", "verify", mirror, "--vkey", vkeys, "--known", earlier, "--json").json()
    assert found["continues"] == 3


def test_a_fork_is_noticed(setu, mirror, vkeys, exchange, tmp_path):
    other = Exchange(exchange.realm)
    forked = write_log(tmp_path / "forked", other, 3) / "checkpoint"
    said = setu("audit", "verify", mirror, "--vkey", vkeys, "--known", forked)
    assert said.status == 1
    assert "another history" in said.err


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        pytest.param("tile/entries/000.p/7", lambda raw: raw.replace(b"us-dea", b"us-cbp", 1), "entry 1", id="altered"),
        pytest.param("tile/entries/000.p/7", lambda _: None, "tile/entries/000.p/7", id="bundle-missing"),
        pytest.param("tile/0/000.p/7", lambda raw: bytes([raw[0] ^ 1]) + raw[1:], "root of size 7", id="a-hash-bent"),
        pytest.param("checkpoint", lambda raw: raw.replace(b"\n7\n", b"\n6\n"), "signature", id="another-size"),
        pytest.param("checkpoint", lambda _: None, "checkpoint", id="checkpoint-missing"),
    ],
)
def test_what_was_done_to_a_mirror_is_found(setu, mirror, vkeys, name, change, said):
    content = change((mirror / name).read_bytes())
    (mirror / name).unlink() if content is None else (mirror / name).write_bytes(content)
    found = setu("audit", "verify", mirror, "--vkey", vkeys, "--json")
    assert found.status == 1
    assert found.json()["error"]["code"] == "log-invalid"
    assert said in found.json()["error"]["message"]


def test_a_deleted_entry_is_found(setu, mirror, vkeys, exchange):
    raw = [canonical(each) for each in exchange.entries]
    (mirror / "tile/entries/000.p/7").write_bytes(write_bundle(raw[:2] + raw[3:]))
    said = setu("audit", "verify", mirror, "--vkey", vkeys)
    assert "entry 2" in said.err
    assert "deleted" in said.err


def test_another_logs_keys_verify_nothing(setu, mirror, write):
    log = Exchange().log
    keys = write("other", f"{log.ed25519}\n{log.mldsa44}".replace("log.setu", "other.setu").encode())
    assert setu("audit", "verify", mirror, "--vkey", keys).status == 1


def test_a_receipt_and_a_proof_verify(setu, exchange, vkeys, write):
    receipt = setu("audit", "verify", write("r", exchange.receipt(1).to_object()), "--vkey", vkeys, "--json").json()
    assert (receipt["what"], receipt["entries"][0]["entry"]["type"]) == ("receipt", "accepted")
    sent = write("sent", {"ok": True, "receipt": exchange.receipt(1).to_object()})
    assert setu("audit", "verify", sent, "--vkey", vkeys).status == 0
    bundle = write("p", exchange.proof().to_object())
    proof = setu("audit", "verify", bundle, "--vkey", vkeys, "--json").json()
    assert (proof["what"], proof["digest"]) == ("proof", exchange.sealed.digest)
    assert "signatures" in proof["unchecked"][0]
    people = setu("audit", "verify", bundle, "--vkey", vkeys).out
    assert "not checked: the agencies' signatures" in people
    directory = write("d.json", exchange.realm.snapshot.raw)
    assert setu("audit", "verify", bundle, "--directory", directory, "--json").json()["unchecked"] == []


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"v": "setu1.entry"}, id="an-entry"),
        pytest.param([], id="no-object"),
        pytest.param({"receipt": 3}, id="no-receipt"),
        pytest.param({"v": "setu1.proof"}, id="an-empty-proof"),
    ],
)
def test_what_is_none_of_these_is_refused(setu, vkeys, write, document):
    said = setu("audit", "verify", write("x", document), "--vkey", vkeys)
    assert said.status == 1
    assert said.err.startswith("schema:")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        pytest.param([], [0, 1, 2, 3, 4, 5, 6], id="all"),
        pytest.param(["--agency", "us-dea"], [1, 2, 3, 4], id="a-party"),
        pytest.param(["--kind", "tip"], [1, 2, 3, 4], id="a-kind"),
        pytest.param(["--kind", "pen"], [], id="another-kind"),
        pytest.param(["--type", "delivered", "--type", "refused"], [2, 4], id="two-types"),
        pytest.param(["--code", "schema"], [5], id="a-code"),
        pytest.param(["--since", "2026-09-22"], [4, 5, 6], id="since-a-day"),
        pytest.param(["--until", at(NOW + 1)], [0], id="until-an-instant"),
        pytest.param(["--since", "2026-09-21T19:43:21+05:30", "--until", "2026-09-22"], [1, 2, 3], id="between"),
        pytest.param(["--exercise"], [], id="drills"),
        pytest.param(["--limit", "2"], [0, 1], id="the-first-two"),
    ],
)
def test_a_mirror_is_searched_offline(setu, mirror, words, found):
    said = setu("audit", "search", mirror, *words, "--json")
    assert [each["index"] for each in said.json()["entries"]] == found


def test_a_kind_that_is_none_is_doubted_where_nothing_was_found(setu, mirror):
    said = setu("audit", "search", mirror, "--kind", "tipp", "--json")
    assert (said.status, said.json()) == (0, {"entries": [], "disputes": False})
    assert "it has " in said.err
    assert "tipp" not in said.err
    assert setu("audit", "search", mirror, "--kind", "pen").err == ""
    assert setu("audit", "search", mirror, "--kind", "tip").err == ""


def test_people_see_what_entries_are_about(setu, mirror, exchange):
    shown = setu("audit", "search", mirror).out
    for text in ("permit.deliver", "policy-denied", "3 times", "party=us-dea", f"tip {exchange.sealed.digest[:10]}"):
        assert text in shown
    assert "7 entries." in shown


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="nowhere"),
        pytest.param(["MIRROR", "--since", "yesterday"], id="no-time"),
        pytest.param(["MIRROR", "--type", "eaten"], id="no-type"),
        pytest.param(["MIRROR", "--code", "eaten"], id="no-code"),
    ],
)
def test_a_search_that_cannot_be_meant_is_wrong_usage(setu, mirror, words):
    said = setu("audit", "search", *(mirror if word == "MIRROR" else word for word in words))
    assert (said.status, said.out) == (2, "")


@pytest.mark.parametrize("begins", ["-8", "-h", "--"])
def test_a_digest_may_begin_as_an_option_does(setu, made, mirror, begins):
    digest = begins + "x" * 62
    asked = setu("audit", "proof", digest, "--as", made.config)
    assert (asked.status, asked.out, asked.err[:15]) == (1, "", "config-invalid:")
    found = setu("audit", "search", mirror, "--packet", digest, "--json")
    assert (found.status, found.json()["entries"]) == (0, [])


def test_verify_needs_something_to_verify(setu, vkeys):
    assert setu("audit", "verify", "--vkey", vkeys).status == 2


def test_vkey_prints_the_keys_and_their_fingerprints(setu, made):
    found = setu("audit", "vkey", "--config", made.config, "--json").json()
    said = setu("audit", "vkey", "--config", made.config)
    assert said.out.split() == [each["vkey"] for each in found["keys"]]
    assert [each["fingerprint"] for each in found["keys"] if each["fingerprint"] not in said.err] == []
