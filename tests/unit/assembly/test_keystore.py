"""How a process learns the passphrase of its keys."""

import os
import subprocess
import sys

import pytest

from broker.assembly.asking import ask, said
from broker.cli.atrest import seal_files
from broker.crypto.keyfile import write_key
from broker.crypto.sealing import Passphrase
from broker.errors import IntegrityError
from tests.builders import private_key

WORDS = b"correct horse battery"
READS = """
import sys
from pathlib import Path
from broker.assembly.keys import keys_in
from broker.errors import IntegrityError
try:
    print([key.public.kid for _, key in keys_in(Path(sys.argv[1]))])
except IntegrityError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def keys(tmp_path):
    folder = tmp_path / "keys"
    folder.mkdir()
    write_key(folder / "a.key", private_key("Ed25519", "a"), "sign")
    write_key(folder / "b.key", private_key("Ed25519", "b"), "sign")
    seal_files(sorted(folder.iterdir()), Passphrase(lambda: WORDS))
    return folder


def reading(keys, descriptor=None, **env):
    kept = {name: value for name, value in os.environ.items() if name != "CREDENTIALS_DIRECTORY"}
    return subprocess.run(
        [sys.executable, "-c", READS, keys],
        env={**kept, **env, **({"SETU_PASSPHRASE_FD": str(descriptor)} if descriptor is not None else {})},
        pass_fds=() if descriptor is None else (descriptor,),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def kids():
    return str([private_key("Ed25519", each).public.kid for each in "ab"])


def test_by_a_file_descriptor(keys):
    out, into = os.pipe()
    os.write(into, WORDS + b"\n")
    os.close(into)
    done = reading(keys, out)
    os.close(out)
    assert done.stdout.strip() == kids(), done.stderr


def test_by_a_credential(keys, tmp_path):
    (tmp_path / "setu-passphrase").write_bytes(WORDS)
    (tmp_path / "setu-passphrase").chmod(0o440)
    assert reading(keys, CREDENTIALS_DIRECTORY=str(tmp_path)).stdout.strip() == kids()


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({}, id="nothing-said"),
        pytest.param({"SETU_PASSPHRASE_FD": "correct horse battery"}, id="the-words-themselves"),
        pytest.param({"SETU_PASSPHRASE_FD": "99"}, id="no-such-descriptor"),
    ],
)
def test_else_it_does_not_start_and_says_no_secret(keys, env):
    done = reading(keys, **env)
    assert done.returncode == 1
    assert "SETU_PASSPHRASE_FD" in done.stderr
    assert "horse" not in done.stderr


@pytest.mark.parametrize("raw", [b"", b"\n", b"two\nlines\n"])
def test_what_is_no_passphrase(raw):
    with pytest.raises(IntegrityError):
        said(raw)


def test_without_a_terminal_nobody_is_asked():
    with pytest.raises(IntegrityError, match="no terminal"):
        ask("Passphrase")
