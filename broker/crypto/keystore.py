"""Where a program finds its private keys: in files, else in systemd's credentials; plain, sealed or in an HSM."""

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from broker.crypto.keyfile import (
    PLACE,
    Tokens,
    about_key,
    check_use,
    in_hsm,
    key_bytes,
    parse_key,
    place_of,
    read_secret,
    write_at_once,
)
from broker.crypto.keys import PrivateKey, generate
from broker.crypto.place import Place
from broker.crypto.sealing import Passphrase, is_sealed, seal_like, unseal
from broker.errors import IntegrityError
from schemas.problem import Code

_PEM = b"-----BEGIN"


class KeyStore:
    """Reads private keys. A key whose file is not there is looked for among the credentials, under the file's name.

    passphrase: of sealed keys; None where there is none. credentials: `$CREDENTIALS_DIRECTORY` (systemd.exec(5)).
    tokens: opens the HSM when the first key is found to be there; None where no HSM is known.
    """

    def __init__(
        self,
        passphrase: Passphrase | None = None,
        credentials: Path | None = None,
        tokens: Callable[[], Tokens] | None = None,
    ) -> None:
        self._passphrase = passphrase
        self._credentials = credentials
        self._tokens = tokens

    def find(self, path: Path) -> Path:
        """The file itself, or the credential in its place; the file where there is neither."""
        if self._credentials is not None and not os.path.lexists(path):
            credential = self._credentials / path.name
            return credential if credential.is_file() else path
        return path

    def paths(self, folder: Path, pattern: str = "*.key") -> list[Path]:
        """The key files of a folder and the credentials that are named so and are not in it, by name."""
        own = {path.name: path for path in folder.glob(pattern)}
        if self._credentials is not None:
            own = {path.name: path for path in self._credentials.glob(pattern)} | own
        return [own[name] for name in sorted(own)]

    def read(self, path: Path) -> bytes:
        """A private key's bytes, unsealed.

        Raises:
            IntegrityError: code `config-invalid`; not there, not for its owner alone, or it does not open.
        """
        raw = self._raw(path)
        if not is_sealed(raw):
            return raw
        return unseal(raw, self._opener(path), str(path))

    def key(self, path: Path, use: str | None = None) -> PrivateKey:
        """A key file; raises as `broker.crypto.keyfile.read_key`, and as `Tokens.key`."""
        found, key = self.key_with_use(path)
        check_use(found, use, path)
        return key

    def key_with_use(self, path: Path) -> tuple[str, PrivateKey]:
        """A key file's use and key; raises as `key`."""
        raw = self.read(path)
        return parse_key(raw, path, self._tokens() if self._tokens is not None and in_hsm(raw, path) else None)

    def keys_in(self, folder: Path) -> Iterator[tuple[str, PrivateKey]]:
        """(use, key) of each key file, without TLS keys; raises as `key`."""
        for _, use, key in self.files_in(folder):
            yield use, key

    def files_in(self, folder: Path) -> Iterator[tuple[Path, str, PrivateKey]]:
        """As `keys_in`, with the file of each."""
        for path in self.paths(folder):
            if not (path.parent == self._credentials and self.read(path).startswith(_PEM)):
                yield path, *self.key_with_use(path)

    def write_beside(self, other: Path, path: Path, key: PrivateKey, use: str) -> None:
        """Write a new key file, there whole or not at all: sealed with the same passphrase where `other` is sealed.

        Raises:
            IntegrityError: code `config-invalid`; there is a file already, or the passphrase is not that of `other`.
        """
        plain = key_bytes(key, use)
        kept = plain if PLACE in key.stored() else self.like(other, plain, about_key(key, use), os.urandom)
        write_at_once(path, kept)

    def successor(self, other: Path, alg: str, label: str, random: Callable[[int], bytes]) -> PrivateKey:
        """A new key of this algorithm to follow the one at `other`: in the same token where that is in an HSM, under
        `label` and what stands before the last slash of the label there. Raises as `key`.
        """
        place = self.place(other)
        if place is None or self._tokens is None:
            return generate(alg, random)
        before, slash, _ = (place.object or "").rpartition("/")
        return self._tokens().generate(alg, place, before + slash + label)

    def place(self, path: Path) -> Place | None:
        """Where in an HSM the key of a file is; None for a key that the file itself holds; raises as `read`."""
        raw = self._raw(path)
        if is_sealed(raw) or not raw.lstrip().startswith(b"{") or not in_hsm(raw, path):
            return None
        return place_of(raw, path)

    def unsealed(self, path: Path) -> bytes | None:
        """The bytes of a sealed key, None for a plain one, which can be read where `find` says; raises as `read`."""
        return self.read(path) if is_sealed(self._raw(path)) else None

    def like(self, path: Path, plain: bytes, about: Mapping[str, str], random: Callable[[int], bytes]) -> bytes:
        """What to write of a new private key so that it is kept as the one at `path` is: sealed as that, or in clear.

        Where that one is in an HSM, it is kept as the others in its folder are: sealed where one of them is.

        `about`: see `broker.crypto.sealing.seal`. Raises as `read`.
        """
        beside = self.paths(path.parent) if self.place(path) is not None else []
        for each in (path, *beside):
            other = self._raw(each)
            if is_sealed(other):
                return seal_like(other, plain, about, self._opener(each), str(each), random)
        return plain

    def load_chain(self, context: ssl.SSLContext, certificate: Path, key: Path) -> None:
        """`ssl.SSLContext.load_cert_chain`; a sealed key goes through memory alone. Raises as that, and as `read`."""
        load_chain(context, certificate, self.find(key), self.unsealed(key))

    def _opener(self, path: Path) -> Passphrase:
        if self._passphrase is None:
            raise IntegrityError(
                Code.CONFIG_INVALID,
                f"Expected the passphrase of {path}, which is sealed, found none.",
                advice="Start it on a terminal, or with the passphrase in the credential setu-passphrase, or behind "
                "the file descriptor whose number is in SETU_PASSPHRASE_FD.",
            )
        return self._passphrase

    def _raw(self, path: Path) -> bytes:
        found = self.find(path)
        return read_secret(found, granted=self._credentials is not None and found.parent == self._credentials)


def load_chain(context: ssl.SSLContext, certificate: Path, key: Path, secret: bytes | None = None) -> None:
    """A certificate and its key: the file `key`, or where it is sealed `secret`, which never gets to a disk.

    Raises:
        OSError, ssl.SSLError: as `ssl.SSLContext.load_cert_chain`.
    """
    if secret is None:
        # Else OpenSSL asks the terminal for the password of a PEM that another program encrypted.
        context.load_cert_chain(certificate, key, password=lambda: b"")
        return
    # OpenSSL reads keys from files alone. This one lies in memory and ends with its descriptor.
    descriptor = os.memfd_create("setu", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, secret)
        context.load_cert_chain(certificate, f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
