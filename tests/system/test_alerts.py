"""Alert rules, their tests and the dashboard: by Prometheus' own tool, and against pages of processes that run."""

import json
import re
import shutil
import subprocess
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from broker.assembly import connect
from broker.assembly.topics import make_certificates
from broker.cli.cluster.process import Keeper, Process, answers
from broker.cli.deployment import create
from broker.cli.served import free_port
from broker.cli.sharing import GUARD, Shared
from broker.store.sql import upgrade
from schemas import registry
from tests.arch.tree import ROOT
from tests.system import postgres

PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "deploy" / "runbooks"
FIGURE = re.compile(r"\b(?:setu|process)_[a-z_]+\b")
RULE = re.compile(r"- alert: (\w+)\n        expr: >-\n          (.+)\n")
RUNBOOK = re.compile(r"^          runbook: deploy/runbooks/([a-z-]+\.md)(?:#([a-z0-9-]+))?$", re.MULTILINE)


def promtool(*arguments, given=""):
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run(
        [program, *arguments], cwd=PROMETHEUS, input=given, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def rules():
    return dict(RULE.findall((PROMETHEUS / "alerts.yml").read_text()))


def expressions():
    """Every expression of the dashboard."""
    panels = json.loads((ROOT / "deploy" / "grafana" / "setu.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """What a gateway, a relay to a Kafka that it does not find, and a shared guard tell Prometheus."""
    folder = tmp_path_factory.mktemp("pages")
    shared = Shared(postgres.database(), free_port(), free_port(), free_port(), (), frozenset({"us-dea"}))
    made = create(
        folder / "made", demo=True, host="localhost", port=free_port(), operations_port=free_port(), shared=shared
    )
    upgrade(shared.store)
    make_certificates(made.gateway(), ("localhost",))
    of_relay = free_port()
    told = []
    with ExitStack() as stack:
        keeper = stack.enter_context(Keeper())
        for config, (port, name, *options) in (
            (made.path / GUARD / "guard.toml", (shared.guard_operations, "guard")),
            (made.config, (urlsplit(made.operations).port, "serve")),
            (made.config, (of_relay, "relay", "--operations", f"127.0.0.1:{of_relay}")),
        ):
            command = ["broker", name, "--config", str(config), *options]
            process = Process(
                name, command, folder / f"{name}.log", keeper, answers(f"http://127.0.0.1:{port}/healthz")
            )
            stack.callback(process.stop)
            process.start()
            told.append(f"http://127.0.0.1:{port}")
        with connect(made.agencies["in-ncb"]) as setu:
            sample = next(iter(registry.samples("tip").values()))
            setu.send("tip", to="us-dea", payload=sample, handling=registry.sample_handling())
        with connect(made.agencies["us-dea"]) as setu:
            assert len(list(setu.follow("tip", drain=True, stream=True))) == 1
        yield [page(each) for each in told]


def page(operations):
    return httpx.get(f"{operations}/metrics").raise_for_status().text


def test_promtool_finds_no_fault_in_the_rules():
    assert promtool("check", "rules", "alerts.yml")[0] == 0
    assert promtool("check", "config", "prometheus.yml")[0] == 0


def test_the_rules_fire_when_they_should_and_not_else():
    status, said = promtool("test", "rules", "tests.yml")
    assert status == 0, said


def test_every_rule_is_tested_and_would_be_missed(tmp_path):
    """Each rule fires in some case: with its threshold out of reach, that case fails."""
    text, cases = (PROMETHEUS / "alerts.yml").read_text(), (PROMETHEUS / "tests.yml").read_text()
    assert len(rules()) == text.count("- alert:")
    assert [name for name in rules() if f'alertname="{name}"' not in cases] == []


def test_the_pages_are_as_prometheus_would_have_them(pages):
    for each in pages:
        assert promtool("check", "metrics", given=each) == (0, "")


def test_what_rules_and_dashboard_ask_for_is_on_a_page(pages):
    shown = {re.split(r"[{ ]", line)[0] for each in pages for line in each.splitlines() if not line.startswith("#")}
    asked = {name for text in [*rules().values(), *expressions()] for name in FIGURE.findall(text)}
    assert asked - shown == set()
    assert len(asked) > 20


def test_a_label_that_a_rule_chooses_by_is_on_a_page(pages):
    chosen = {
        (name, label, value)
        for text in [*rules().values(), *expressions()]
        for name, labels in re.findall(r"(setu_\w+)\{([^}]*)\}", text)
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', labels)
        for value in values.split("|")
    }
    assert chosen
    lines = [line for each in pages for line in each.splitlines()]
    missing = [
        (name, label, value)
        for name, label, value in chosen
        if not any(line.startswith(f"{name}{{") and f'{label}="{value}"' in line for line in lines)
    ]
    assert missing == []


def test_the_dashboards_expressions_are_prometheus_own(tmp_path):
    """promtool judges them as rules: each must parse."""
    lines = ["groups:", "  - name: dashboard", "    rules:"]
    for number, expression in enumerate(expressions()):
        lines += [f"      - record: setu:panel:{number}", "        expr: >-", f"          {expression}"]
    file = tmp_path / "panels.yml"
    file.write_text("\n".join(lines))
    assert promtool("check", "rules", str(file))[0] == 0


def test_no_figure_names_an_agency_s_own_words(pages):
    """A label is a route's template, a code, a status, a topic or deny list of the directory: nothing a caller chose."""
    found = {label for each in pages for label in re.findall(r'[{,](\w+)="', each)}
    assert found == {"code", "le", "list", "repeat", "route", "status", "topic"}


def test_every_rule_says_what_to_read_and_it_is_there():
    books = RUNBOOK.findall((PROMETHEUS / "alerts.yml").read_text())
    assert len(books) == len(rules())
    lost = [(book, part) for book, part in books if not (RUNBOOKS / book).is_file() or part not in parts(book)]
    assert lost == []


def test_every_rule_is_explained_by_name_in_a_runbook():
    text = "".join(book.read_text() for book in RUNBOOKS.glob("*.md"))
    assert [name for name in rules() if f"`{name}`" not in text] == []


def parts(book):
    """The names of a page's sections, as they are linked to."""
    headings = re.findall(r"^#+ (.+)$", (RUNBOOKS / book).read_text(), re.MULTILINE)
    return {"", *(re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings)}
