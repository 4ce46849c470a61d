"""What every module keeps to. Each test lists the offenders; a good tree has none."""

import ast
import re

import pytest

from tests.arch.tree import PRODUCT, dotted, imported, modules, parsed

LONGEST = 400

# library -> the only places that may name it
DOORS = {
    "aiokafka": tuple(f"broker/transport/kafka{each}.py" for each in ("", "_client", "_group", "_log")),
    "alembic": ("broker/store/",),
    "cedarpy": ("broker/policy/cedar.py",),
    "confluent_kafka": ("broker/transport/kafka_admin.py",),
    "cryptography": ("broker/crypto/",),
    "fastapi": ("broker/gateway/",),
    "psycopg": ("broker/store/",),
    "securesystemslib": ("broker/directory/tuf",),
    "sqlalchemy": ("broker/store/",),
    "sqlite3": ("broker/store/",),
    "starlette": ("broker/gateway/",),
    "tuf": ("broker/directory/tuf",),
    "uvicorn": ("broker/gateway/",),
}

# calls that read a clock or make randomness: only those who put things together may, all others are given one
AMBIENT = re.compile(
    r"^(time\.(time|time_ns)|(datetime\.)?datetime\.(now|utcnow|today)|(datetime\.)?date\.today|os\.urandom|uuid\.uuid\d"
    r"|(random|secrets)\.\w+)$"
)
ASSEMBLIES = ("broker/assembly", "broker/cli/", "adapters/assembly")

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|Not" r"ImplementedError|pragma: no" r" cover")


def test_no_module_is_longer_than_a_reviewer_holds_in_mind():
    long = {str(path): text.count("\n") for path, text in modules(*PRODUCT, "tests") if text.count("\n") >= LONGEST}
    assert long == {}


def test_every_module_says_what_it_is_for():
    assert [str(path) for path, _ in modules(*PRODUCT) if not ast.get_docstring(parsed(path))] == []


@pytest.mark.parametrize("library", DOORS)
def test_a_library_of_weight_has_one_door(library):
    strangers = [
        f"{path}:{line}"
        for path, _ in modules(*PRODUCT)
        for line, name in imported(path)
        if name.split(".")[0] == library and not path.as_posix().startswith(DOORS[library])
    ]
    assert strangers == []


def test_only_the_command_line_prints():
    printing = [
        f"{path}:{node.lineno}"
        for path, _ in modules(*PRODUCT)
        if not path.as_posix().startswith("broker/cli/")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and dotted(node.func) in {"print", "pprint", "sys.stdout.write"}
    ]
    assert printing == []


def test_clock_and_randomness_are_given_not_taken():
    taking = [
        f"{path}:{node.lineno} {dotted(node.func)}"
        for path, _ in modules(*PRODUCT)
        if not path.as_posix().startswith(ASSEMBLIES)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and AMBIENT.match(dotted(node.func))
    ]
    assert taking == []


def test_settings_do_not_come_from_the_environment_behind_anybodys_back():
    reading = [
        f"{path}:{node.lineno}"
        for path, _ in modules(*PRODUCT)
        if not path.as_posix().startswith(("broker/config", *ASSEMBLIES))
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.expr) and dotted(node) in {"os.environ", "os.getenv"}
    ]
    assert reading == []


def test_nothing_is_left_for_later():
    unfinished = [
        f"{path}:{number}"
        for path, text in modules(*PRODUCT)
        for number, line in enumerate(text.splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert unfinished == []


def test_adapters_come_to_the_broker_by_the_sdk():
    rooms = re.compile(r"broker\.(gateway|flows|ledger|policy|directory|store|merkle|config|assembly|cli)\b")
    strangers = [
        f"{path}:{line} {name}"
        for path, _ in modules("adapters")
        if path.name not in {"assembly.py", "__main__.py"}
        for line, name in imported(path)
        if rooms.match(name)
    ]
    assert strangers == []
