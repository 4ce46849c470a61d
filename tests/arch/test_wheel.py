"""What people install: everything it needs, nothing it does not, and a base without the gateway's libraries."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.arch.tree import PRODUCT, ROOT, files

# found when the base is imported, though no agency's program and no auditor has them
GATEWAY_ONLY = ("aiokafka", "alembic", "cedarpy", "confluent_kafka", "fastapi", "httptools", "pkcs11", "prometheus_client", "sqlalchemy", "sse_starlette", "starlette", "uvicorn", "uvloop")  # fmt: skip


def unmet():
    """What the build needs and this environment has not (a build of its own would fetch it; tests fetch nothing)."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    for each in map(Requirement, needed):
        try:
            found = version(each.name)
        except PackageNotFoundError:
            found = "none"
        if found == "none" or not each.specifier.contains(found, prereleases=True):
            yield f"{each}, found {found}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    missing = list(unmet())
    if missing:
        pytest.skip(f"no wheel is built here: expected {'; '.join(missing)}; run: make clean check")
    folder = tmp_path_factory.mktemp("wheel")
    for path in files():
        if path.parts[0] in PRODUCT or len(path.parts) == 1:
            (folder / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, folder / "tree" / path)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "-q",
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            folder,
            folder / "tree",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_file_of_the_packages_is_in_it_and_nothing_else(names):
    packed = {name for name in names if ".dist-info/" not in name}
    assert packed == {path.as_posix() for path in files() if path.parts[0] in PRODUCT}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("broker/policy/rules/*.cedar", id="release-rules"),
        pytest.param("broker/policy/rules/*.cedarschema", id="their-schema"),
        pytest.param("broker/store/migrations/versions/*.py", id="migrations"),
        pytest.param("broker/decisions/*.md", id="decisions"),
        pytest.param("schemas/spec/*.md", id="specification"),
        pytest.param("schemas/spec/kinds/*.md", id="pages-of-kinds"),
        pytest.param("schemas/spec/schemas/*.json", id="json-schemas"),
        pytest.param("schemas/spec/openapi.json", id="openapi"),
        pytest.param("schemas/spec/vectors/**/*.json", id="vectors"),
        pytest.param("schemas/spec/examples/*/*", id="examples"),
        pytest.param("*/py.typed", id="types"),
    ],
)
def test_it_carries(names, kind):
    assert [name for name in names if Path(name).match(kind.replace("/**", ""))]


def test_its_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        read = {Path(name).name: archive.read(name) for name in archive.namelist() if ".dist-info/" in name}
    metadata = message_from_bytes(read["METADATA"])
    assert metadata["Name"] == "setu-broker"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {"gateway", "hsm", "kafka", "postgres", "test"} == set(metadata.get_all("Provides-Extra", []))
    assert b"setu = broker.cli:main" in read["entry_points.txt"]
    assert b"Apache License" in read["LICENSE"]


BASE = """
import importlib, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in %r:
            raise ModuleNotFoundError(f"{name} is not in the base install")
sys.meta_path.insert(0, Absent())
for module in sys.argv[1:]:
    importlib.import_module(module)
"""


def base_modules():
    """What an agency's program or an auditor imports: the schemas, the SDK and what lies below it, the adapters.

    Not the door to HSMs, which who has one installs more for.
    """
    rooms = ("broker.crypto", "broker.envelope", "broker.merkle", "broker.sdk", "broker.cli.app", "schemas", "adapters")
    for path in files():
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        if path.suffix == ".py" and name.startswith(rooms) and name != "broker.crypto.hsm":
            yield name


def test_the_base_install_needs_nothing_of_the_gateways():
    done = subprocess.run(
        [sys.executable, "-c", BASE % (GATEWAY_ONLY,), *base_modules()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
