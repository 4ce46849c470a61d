"""The units of deploy/systemd, as far as systemd's own tools judge them without running one."""

import re
import shutil
import subprocess

import pytest

from broker.config import GatewaySettings
from broker.gateway.limits import Limits
from tests.arch.tree import ROOT
from tests.docs.test_commands import missing

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
MOST_EXPOSED = 1.5
PROGRAMS = re.compile(r"^(Exec\w+=)(/opt/setu/\S+|/usr/sbin/haproxy)", re.MULTILINE)


def analyze(*arguments):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    done = subprocess.run([program, "--no-pager", *arguments], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_it_is_hardly_exposed(unit):
    status, said = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:.0f}", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found, said
    assert status == 0
    assert float(found[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_every_line(unit, tmp_path):
    copy = tmp_path / unit.name
    copy.write_text(PROGRAMS.sub(r"\1/bin/true", unit.read_text()))
    status, said = analyze("verify", "--man=no", "--recursive-errors=no", str(copy))
    assert (status, said) == (0, "")


def test_a_line_that_systemd_does_not_understand_would_be_noticed(tmp_path):
    copy = tmp_path / "setu.service"
    text = PROGRAMS.sub(r"\1/bin/true", (ROOT / "deploy" / "systemd" / "setu.service").read_text())
    copy.write_text(text.replace("ProtectHome=yes", "ProtectHouse=yes"))
    assert "ProtectHouse" in analyze("verify", "--man=no", "--recursive-errors=no", str(copy))[1]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_what_it_runs_exists(unit):
    commands = re.findall(r"^ExecStart=/opt/setu/\.venv/bin/(setu .*)$", unit.read_text(), re.MULTILINE)
    assert [lost for line in commands if (lost := missing(line.split()))] == []
    documents = re.findall(r"^Documentation=file:///opt/setu/(\S+)$", unit.read_text(), re.MULTILINE)
    assert documents
    assert [path for path in documents if not (ROOT / path).is_file()] == []


def test_a_countrys_job_runs_four_times_before_its_list_is_a_day_old(tmp_path):
    folder = ROOT / "deploy" / "systemd"
    for unit in ("setu-deny@.service", "setu-deny@.timer"):
        text = PROGRAMS.sub(r"\1/bin/true", (folder / unit).read_text())
        (tmp_path / unit.replace("@", "@IND")).write_text(text)
    assert analyze("verify", "--man=no", "--recursive-errors=no", str(tmp_path / "setu-deny@IND.timer")) == (0, "")
    timer = (folder / "setu-deny@.timer").read_text()
    (calendar,) = re.findall(r"^OnCalendar=(.+)$", timer, re.MULTILINE)
    said = analyze("calendar", "--iterations=5", "--base-time=2026-01-01 00:00:00 UTC", calendar)[1]
    assert set(re.findall(r"(\d\d:\d\d):00 UTC", said)) == {"00:00", "06:00", "12:00", "18:00"}
    assert {"RandomizedDelaySec=30min", "Persistent=yes"} <= set(timer.splitlines())


@pytest.mark.parametrize("name", ["setu.service", "setu@.service"])
def test_a_gateway_is_given_the_time_that_it_takes_to_end(name):
    given = re.search(r"^TimeoutStopSec=(\d+)$", (ROOT / "deploy" / "systemd" / name).read_text(), re.MULTILINE)
    assert GatewaySettings(gateway="in-setu").limits == Limits()
    assert int(given[1]) > 2 * Limits().stop_seconds


def test_they_differ_in_their_sandbox_only_where_they_say_so():
    """Each line of the sandbox is in every unit, or its place is taken by a comment that says why not."""

    def sandbox(text):
        return text.partition("UMask=")[2].partition("[Install]")[0].splitlines()

    first = [line for line in sandbox(UNITS[0].read_text()) if "=" in line and not line.startswith(("Memory", "Tasks"))]
    for unit in UNITS:
        lines = sandbox(unit.read_text())
        lacking = [line for line in first if line not in lines]
        assert [line for line in lacking if f"# no {line.partition('=')[0]}" not in unit.read_text()] == []


def test_the_proxy_looks_for_the_gateways_where_their_units_put_them():
    unit = (ROOT / "deploy" / "systemd" / "setu@.service").read_text()
    (folder,) = re.findall(r"^RuntimeDirectory=(\S+)$", unit, re.MULTILINE)
    places = re.findall(
        r"presetenv SETU_GATEWAY_[AB] +unix@/run/(\S+)/", (ROOT / "deploy/haproxy/haproxy.cfg").read_text()
    )
    assert places == [folder.replace("%i", each) for each in ("a", "b")]
    assert "SupplementaryGroups=setu\n" in (ROOT / "deploy" / "systemd" / "setu-proxy.service").read_text()
