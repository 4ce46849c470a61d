"""The prose names what the code names: codes and their status, entry types, members, kinds, schemes, rules."""

import re
from importlib.resources import files

import pytest

from broker.gateway.problems import TABLE
from schemas import registry
from schemas.base import Model
from schemas.directory import Agency, Directory, Role
from schemas.evidence import Entry, EntryType, Proof
from schemas.handling import Handling
from schemas.packet import Header
from schemas.payloads import accounts, parts, payment_trail, pen, tip
from schemas.payloads.identifiers import NEEDS_COUNTRY, SHAPES
from schemas.problem import Code, Problem


def prose(name: str) -> str:
    return files("schemas").joinpath("spec", f"{name}.md").read_text(encoding="utf-8")


def names(model: type[Model]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_every_code_with_its_status() -> None:
    told = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", prose("http"), re.MULTILINE)
    assert {code: int(status) for status, code in told} == {code.value: status for code, (status, _) in TABLE.items()}
    assert len(told) == len(Code)


def test_every_code_packet_md_names_is_one() -> None:
    section = prose("packet").split("## 12.")[1].split("## 13.")[0]
    cells = re.findall(r"\| ((?:`[a-z-]+`(?:; )?)+) \|$", section, re.MULTILINE)
    found = {code for cell in cells for code in re.findall(r"`([a-z-]+)`", cell)}
    assert len(found) >= 10
    assert found <= {code.value for code in Code}


def test_every_entry_type() -> None:
    section = prose("ledger").split("| `type` | written when")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)) == {each.value for each in EntryType}


@pytest.mark.parametrize(
    ("document", "model"),
    [
        pytest.param("ledger", Entry, id="entry"),
        pytest.param("ledger", Proof, id="proof"),
        pytest.param("packet", Header, id="header"),
        pytest.param("http", Problem, id="problem"),
        pytest.param("directory", Directory, id="directory"),
        pytest.param("directory", Agency, id="agency"),
        pytest.param("payloads", Handling, id="handling"),
        pytest.param("payloads", tip.TipV1, id="tip"),
        pytest.param("payloads", pen.PenNotifyV1, id="notify"),
        pytest.param("payloads", pen.PenAcknowledgeV1, id="acknowledge"),
        pytest.param("payloads", pen.PenObjectV1, id="object"),
        pytest.param("payloads", pen.PenNoObjectionV1, id="no-objection"),
        pytest.param("payloads", pen.PenSuspendV1, id="suspend"),
        pytest.param("payloads", pen.PenClearedV1, id="cleared"),
        pytest.param("payloads", payment_trail.PaymentTrailV1, id="payment-trail"),
        pytest.param("payloads", payment_trail.Transaction, id="transaction"),
        pytest.param("payloads", accounts.Attribution, id="attribution"),
        pytest.param("payloads", parts.Substance, id="substance"),
        pytest.param("payloads", parts.Consignment, id="consignment"),
        pytest.param("payloads", parts.Party, id="party"),
        pytest.param("payloads", parts.Evidence, id="evidence"),
    ],
)
def test_every_member_is_told(document: str, model: type[Model]) -> None:
    told = {
        word.rstrip("?")
        for code in re.findall(r"`([^`\n]+)`", prose(document))
        for word in re.split(r"[{}\[\], :&]+", code)
    }
    assert names(model) <= told


def test_kinds_schemes_roles_and_rules() -> None:
    text = prose("payloads")
    assert set(re.findall(r"^## Kind `([a-z-]+)`, version 1", text, re.MULTILINE)) <= set(registry.kinds())
    paragraph = text.split("**Identifiers** by scheme:")[1].split("Check digits:")[0]
    schemes, needing = paragraph.split(" need `country`")[0].split("`pgp`.")
    schemes += "`pgp`"
    assert set(re.findall(r"`([a-z0-9-]+)`", schemes)) == set(SHAPES)
    assert set(re.findall(r"`([a-z0-9-]+)`", needing)) == set(NEEDS_COUNTRY)
    assert {f"`{role}`" for role in Role} <= set(re.findall(r"`[a-z]+`", prose("directory")))
    source = files("schemas").joinpath("registry.py").read_text(encoding="utf-8")
    for rule in re.findall(r"^\| `([a-z0-9.-]+)` \| (?:with|`handling_text`)", text, re.MULTILINE):
        assert f'"{rule}"' in source
