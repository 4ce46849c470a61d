"""The precursor watch and the outcomes by the command line, against a real gateway: what each side sees of one trade."""

import json

import pytest
from typer.testing import CliRunner

from broker.assembly import connect
from broker.cli.app import app
from broker.cli.deployment import create
from broker.cli.served import Served, free_port
from schemas import registry

HANDLING = {
    **registry.sample_handling(),
    "handling_code": "H0",
    "purpose": ["regulatory"],
    "legal_basis": "UN1988-12",
}
NOTICE = registry.samples("pen")["notify"]
REF = NOTICE["pen_ref"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watch")
    made = create(folder / "deployment", demo=True, port=free_port(), operations_port=free_port())
    with Served(made, folder / "gateway.log"):
        yield made


@pytest.fixture(scope="module")
def exchanged(served):
    """A notice, its answer, an arrival that is short, what a sealed-only notice is, and a word on what it led to."""
    with connect(served.agencies["in-ncb"]) as ncb, connect(served.agencies["us-dea"]) as dea:

        def tell(sender, payload, **options):
            to = "us-dea" if sender is ncb else "in-ncb"
            return sender.send("pen", to=to, payload=payload, handling=HANDLING, **options)

        notice = tell(ncb, NOTICE)
        (read,) = dea.follow("pen", drain=True, wait=0)
        answer = {**registry.samples("pen")["no-objection"], "pen_ref": REF}
        tell(dea, answer, in_reply_to=read.digest)
        arrived = registry.samples("pen")["arrived"]
        half = str(float(NOTICE["substance"]["quantity"]["value"]) / 2).removesuffix(".0")
        substance = {**NOTICE["substance"], "quantity": {**NOTICE["substance"]["quantity"], "value": half}}
        short = {**arrived, "pen_ref": REF, "substance": substance}
        short.pop("discrepancy", None)
        tell(dea, short, in_reply_to=read.digest)
        feedback = next(
            each for each in registry.samples("feedback").values() if each.get("outcome") == "false-positive"
        )
        word = {**feedback, "target": {"id": read.header.id, "digest": read.digest}}
        dea.send("feedback", to="in-ncb", payload=word, handling=HANDLING)
        for client in (ncb, dea):
            for _ in client.follow(drain=True, wait=0):
                pass
        return notice, word


def setu(served, *words):
    found = [str(served.agencies.get(each, each)) for each in words]
    done = CliRunner().invoke(app, found, env={"COLUMNS": "250"})
    assert done.exit_code == 0, done.stderr + str(done.exception)
    return done.stdout


@pytest.mark.parametrize("agency", ["in-ncb", "us-dea"])
def test_both_sides_see_the_notice_first_and_what_does_not_fit(served, exchanged, agency):
    found = json.loads(setu(served, "watch", "precursors", "--as", agency, "--json"))
    (row,) = found["notices"]
    assert (row["pen_ref"], row["digest"], row["state"]) == (REF, exchanged[0].digest, "no-objection")
    assert "arrived-short" in row["troubles"]
    assert row["cluster"] in {each["value"] for each in found["clusters"]}
    shown = setu(served, "watch", "precursors", "--as", agency)
    assert REF in shown
    assert "arrived-short" in shown


def test_an_auditor_is_shown_the_log_and_no_content(served, exchanged):
    with connect(served.agencies["in-audit"]) as auditor:
        found = auditor.precursors()
    assert found.notices == ()
    assert {row.digest for row in found.unread if row.answered} == {exchanged[0].digest}
    assert NOTICE["exporter"]["name"] not in found.canonical().decode()


def test_an_auditor_counts_what_it_led_to(served, exchanged):
    rows = json.loads(setu(served, "outcomes", "--as", "us-audit", "--kind", "pen", "--json"))["rows"]
    (row,) = [each for each in rows if each["agency"] == "in-ncb"]
    assert (row["packets"], row["asked"], row["answered"], row["outcomes"]) == (1, 1, 1, {"false-positive": 1})
    assert row["false_positive_rate"] == "1.000"
    assert row["held_hours"] > 0
