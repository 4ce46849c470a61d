"""A process without a way to an HSM says what it lacks."""

import os
import subprocess
import sys

import pytest

OPENS = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pkcs11":
            raise ModuleNotFoundError(name)
if sys.argv[1] == "absent":
    sys.meta_path.insert(0, Absent())
from broker.assembly.hsm import maker
from broker.errors import IntegrityError
try:
    maker(sys.argv[2])("Ed25519", "a")
except IntegrityError as error:
    sys.exit(str(error))
"""
TOKEN = "pkcs11:token=setu"


@pytest.mark.parametrize(
    ("binding", "uri", "module", "said"),
    [
        pytest.param("there", TOKEN, None, "SETU_PKCS11_MODULE", id="no-module-named"),
        pytest.param("absent", TOKEN, "/usr/lib/softhsm/libsofthsm2.so", "make install-hsm", id="no-binding"),
        pytest.param("there", TOKEN, "", "found none there", id="an-empty-path"),
        pytest.param("there", TOKEN, "libsofthsm2.so", "found none there", id="a-name-that-the-loader-would-look-for"),
        pytest.param("there", TOKEN + "?module-path=/x.so", "/y.so", "no library", id="a-library-in-the-uri"),
    ],
)
def test_it_says_what_is_lacking(binding, uri, module, said):
    env = {name: value for name, value in os.environ.items() if not name.startswith("SETU_")}
    done = subprocess.run(
        [sys.executable, "-c", OPENS, binding, uri],
        env=env if module is None else {**env, "SETU_PKCS11_MODULE": module},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
