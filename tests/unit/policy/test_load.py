"""Rules as files of a deployment's own folder."""

from pathlib import Path

import pytest

from broker.errors import IntegrityError
from broker.policy.cedar import CedarPolicy
from broker.policy.load import default_rules, rules_in
from schemas.problem import Code


def _write(folder: Path) -> None:
    for name, text in default_rules().rules.items():
        (folder / name).write_text(text, "utf-8")


def test_a_copy_of_the_own_rules_is_the_same_policy(tmp_path: Path) -> None:
    _write(tmp_path)
    (tmp_path / "README.md").write_text("not a rule")
    own, copied = default_rules(), rules_in(tmp_path)
    assert CedarPolicy(own.rules, own.schema).version == CedarPolicy(copied.rules, copied.schema).version


def test_a_rule_of_ones_own_is_added(tmp_path: Path) -> None:
    _write(tmp_path)
    (tmp_path / "9-own.cedar").write_text(
        '@id("9.drill") @sentence("s.") @remedy("r.") forbid (principal, action, resource) when { context.exercise };'
    )
    copied = rules_in(tmp_path)
    assert "9.drill" in {rule.id for rule in CedarPolicy(copied.rules, copied.schema).rules}


def _gone(folder: Path) -> Path:
    return folder / "absent"


def _lost(folder: Path) -> Path:
    _write(folder)
    (folder / "5-noforn.cedar").unlink()
    return folder


def _latin(folder: Path) -> Path:
    _write(folder)
    (folder / "5-noforn.cedar").write_bytes(b"// \xe9")
    return folder


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        pytest.param(_gone, "absent, found: No such file", id="no-folder"),
        pytest.param(_lost, "found no 5-noforn.cedar", id="a-rule-lost"),
        pytest.param(_latin, "found: a file that is not UTF-8", id="not-utf-8"),
    ],
)
def test_refuses(tmp_path: Path, make: object, fault: str) -> None:
    with pytest.raises(IntegrityError, match=fault) as refused:
        rules_in(make(tmp_path))
    assert refused.value.code is Code.CONFIG_INVALID
