"""Two agencies rotate all their keys and their certificates, and the old ones are retired, while packets go to and fro."""

import json
from collections import Counter

import pytest
from typer.testing import CliRunner

from broker.assembly import connect
from broker.cli.app import app
from broker.crypto.certificates import fingerprint, pem_to_der
from broker.sdk.cursors import MemoryCursors
from schemas.directory import KeyState
from tests.http.live import Live
from tests.http.moving import Traffic

ROTATED = {"in-ncb": "in", "us-dea": "us", "in-nia": "in", "us-hsi": "us"}
"""A sender, one who reads by long poll, one by stream, and one whom an adapter reads for."""


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Live(tmp_path_factory.mktemp("live"))
    yield made
    made.close()


def setu(*words):
    done = CliRunner().invoke(app, [*(str(word) for word in words), "--json"])
    assert done.exit_code == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def present(live, agency):
    settings = live.deployment.agency(agency)
    return fingerprint(pem_to_der(settings.at(settings.certificate).read_bytes()))


def kids(live, agency):
    """The agency's keys that are active in the directory, the newest last."""
    row = live.clients["in-audit"].directory.refresh().agency(agency)
    keys = sorted(row.keys, key=lambda each: each.not_before)
    return [each.kid for each in keys if each.state is KeyState.ACTIVE]


def rotate(live, folder, agency):
    """As two people do it, a file each way; returns what is replaced: kids, and the certificate."""
    realm, profile = live.deployment, live.deployment.agencies[agency]
    before = kids(live, agency), present(live, agency)
    request, pem = folder / f"{agency}.rotation.json", folder / f"{agency}.pem"
    setu("rotate", "request", "--as", profile, "--out", request)
    words = ("--ca", realm.path / "ca" / ROTATED[agency], "--config", realm.config)
    setu("directory", "rotate", request, *words, "--certificate-out", pem)
    setu("rotate", "finish", pem, "--as", profile)
    assert present(live, agency) != before[1]
    return before


def test_everything_is_rotated_under_load_and_nothing_is_refused(live, tmp_path):
    realm = live.deployment
    traffic = Traffic(
        live,
        tmp_path,
        senders=("in-ncb", "us-fincen"),
        to=["us-dea", "in-nia", "us-hsi"],
        followers=("us-dea",),
        streams=("in-nia",),
        adapters=("us-hsi",),
    )
    with traffic:
        traffic.more()
        old = {agency: rotate(live, tmp_path, agency) for agency in ROTATED}
        new = {agency: set(kids(live, agency)) - set(before) for agency, (before, _) in old.items()}
        traffic.until(lambda: set(traffic.sent["in-ncb"][-1].header.sig) <= new["in-ncb"])
        traffic.until(
            lambda: (
                {each.kid for each in traffic.sent["us-fincen"][-1].header.to if each.agency in new}
                <= new["us-dea"] | new["in-nia"] | new["us-hsi"]
            )
        )
        traffic.more()
        for agency, (_, certificate) in old.items():
            words = ("--replaced", "--early", "--certificate", certificate, "--config", realm.config)
            ended = setu("directory", "retire", agency, *words)
            assert set(ended["kids"]) == set(old[agency][0])
        traffic.more(8)
    assert traffic.wrong == []
    assert len(traffic.ended) == 1
    sent = [each.digest for each in (*traffic.sent["in-ncb"], *traffic.sent["us-fincen"])]
    assert len(set(sent)) == len(sent)
    for agency, packets in traffic.read.items():
        assert Counter(each.digest for each in packets) == Counter(sent), agency
    assert Counter(traffic.delivered["us-hsi"]) == Counter(sent)

    found = [each.entry for each in live.clients["in-audit"].search(limit=500)]
    types = Counter(each.type.value for each in found)
    assert not {"refused", "refused_many", "conflict", "rejected_by_recipient", "withheld"} & types.keys()
    assert (types["accepted"], types["acknowledged"]) == (len(sent), 3 * len(sent))

    for agency in ROTATED:
        findings = setu("doctor", "--as", realm.agencies[agency])["findings"]
        assert any("it signs nothing more" in each["found"] for each in findings)
    _old_ones_stay_good(live, tmp_path, traffic, old)
    assert not any(each.disputed for packets in traffic.read.values() for each in packets)
    _what_was_compromised_is_disputed(live, tmp_path, traffic, old["in-ncb"][0])


def _old_ones_stay_good(live, folder, traffic, old):
    """What the retired keys signed and opened, for the parties and for an auditor."""
    first, last = traffic.sent["in-ncb"][0], traffic.sent["in-ncb"][-1]
    assert set(first.header.sig) <= set(old["in-ncb"][0])
    assert not set(last.header.sig) & set(old["in-ncb"][0])
    profile = live.deployment.agencies["us-dea"]
    with connect(profile) as client:
        again = list(client.follow("tip", drain=True, cursors=MemoryCursors()))
    assert [each.digest for each in again] == [each.digest for each in traffic.read["us-dea"]]
    for number, each in enumerate((first, last)):
        packet, receipt = folder / f"{number}.packet", folder / f"{number}.receipt"
        packet.write_bytes(each.raw)
        receipt.write_bytes(each.receipt.canonical())
        assert setu("packet", "verify", packet, "--receipt", receipt, "--config", live.deployment.config)["ok"]
        assert setu("packet", "open", packet, "--receipt", receipt, "--as", profile)["payload"]
        proof = folder / f"{number}.proof"
        auditor = live.deployment.agencies["in-audit"]
        setu("audit", "proof", each.digest, "--as", auditor, "--out", proof)
        assert setu("audit", "verify", proof, "--config", live.deployment.config)["ok"]


def _what_was_compromised_is_disputed(live, folder, traffic, kids):
    """It turns out that the old key was in other hands for a while, from the second packet's second on."""
    realm, auditor = live.deployment, live.deployment.agencies["in-audit"]
    times = {each.digest: each.entry.time for each in traffic.read["us-dea"]}
    signed = [each for each in traffic.sent["in-ncb"] if set(each.header.sig) & set(kids)]
    since = f"{times[signed[1].digest][:19]}Z"
    disputed = {each.digest for each in signed if times[each.digest][:19] >= since[:19]}
    words = [word for kid in signed[0].header.sig for word in ("--kid", kid)]
    setu("directory", "retire", "in-ncb", *words, "--compromised-since", since, "--config", realm.config)

    live.clients["in-audit"].directory.refresh()
    for agency in ("us-dea", "in-nia"):
        with connect(realm.agencies[agency]) as client:
            client.directory.refresh()
            again = list(client.follow("tip", drain=True, cursors=MemoryCursors()))
        assert {each.digest for each in again if each.disputed} == disputed

    def doubts(*where, kind="accepted"):
        found = setu("audit", "search", *where, "--type", kind, "--limit", 1000)
        assert found["disputes"]
        return {each["entry"]["packet"]["digest"]: each["disputed"] for each in found["entries"] if "disputed" in each}

    assert doubts("--as", auditor) == dict.fromkeys(disputed, "disputed")
    assert doubts("--as", auditor, kind="acknowledged") == {}
    log = folder / "log"
    setu("audit", "mirror", log, "--as", auditor)
    offline = doubts(log, "--config", realm.config)
    # By the log alone it is certain until the next key stood beside this one; from then on it may have been either.
    assert disputed <= offline.keys()
    assert all(offline[each.digest] == "disputed" for each in signed[1:3])
    assert set(offline.values()) <= {"disputed", "possible"}
    assert not {each.digest for each in traffic.sent["in-ncb"][-5:]} & offline.keys()
    facts = setu("audit", "verify", log, "--config", realm.config)
    assert facts["disputed"] + facts["perhaps_disputed"] == len(offline)

    for each, expected in (
        (signed[0], signed[0].digest in disputed),
        (signed[-1], True),
        (traffic.sent["in-ncb"][-1], False),
    ):
        packet, receipt, proof = (folder / f"{each.id}.{what}" for what in ("packet", "receipt", "proof"))
        packet.write_bytes(each.raw)
        receipt.write_bytes(each.receipt.canonical())
        said = setu("packet", "verify", packet, "--receipt", receipt, "--config", realm.config)
        assert said["disputed"] is expected
        setu("audit", "proof", each.digest, "--as", auditor, "--out", proof)
        entries = setu("audit", "verify", proof, "--config", realm.config)["entries"]
        assert [n["entry"]["type"] for n in entries if "disputed" in n] == ["accepted"] * expected
