"""A software HSM (SoftHSM) with tokens of its own, in a folder."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from broker.crypto.hsm import Tokens

PIN = "4711-0815"
LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")  # fmt: skip


class SoftHsm:
    """One set of tokens. `module`: the library; `env`: what a program needs to reach it, with the PIN as a credential."""

    def __init__(self, folder: Path) -> None:
        self.module = next((Path(each) for each in LIBRARIES if Path(each).is_file()), None)
        if self.module is None or shutil.which("softhsm2-util") is None:
            pytest.skip("SoftHSM is not installed (Debian: softhsm2)")
        self.folder = folder
        self.tokens = folder / "tokens"
        self.tokens.mkdir(parents=True)
        self.config = folder / "softhsm2.conf"
        self.config.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.credentials = folder / "credentials"
        self.credentials.mkdir()
        (self.credentials / "setu-pin").write_text(PIN)
        (self.credentials / "setu-pin").chmod(0o440)
        self.env = {
            "SOFTHSM2_CONF": str(self.config),
            "SETU_PKCS11_MODULE": str(self.module),
            "CREDENTIALS_DIRECTORY": str(self.credentials),
        }
        self.token("setu")

    def token(self, label: str) -> None:
        words = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "so-" + PIN]
        subprocess.run(words, env=os.environ | {"SOFTHSM2_CONF": str(self.config)}, check=True, capture_output=True)

    def opened(self, pin: str = PIN) -> Tokens:
        """As a process opens it; that process has `SOFTHSM2_CONF`."""
        return Tokens(self.module, lambda _: pin.encode())

    def take_away(self) -> None:
        self.tokens.rename(self.folder / "away")
        self.tokens.mkdir()

    def put_back(self) -> None:
        self.tokens.rmdir()
        (self.folder / "away").rename(self.tokens)

    def run(self, *words: object, fds: tuple[int, ...] = (), **env: str) -> subprocess.CompletedProcess[str]:
        """A command of ours in a process of its own, which is handed the descriptors `fds`."""
        return subprocess.run(
            [*map(str, words)],
            env={**os.environ, **self.env, **env},
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
