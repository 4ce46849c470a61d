"""Private keys that stay in an HSM, reached by PKCS #11 (v2.40 or later). The one door to python-pkcs11.

What an attacker who has the file of such a key gains: where the key is, and nothing to sign with.
"""

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from broker.crypto.algorithms import ALGORITHMS
from broker.crypto.keys import PrivateKey, PublicKey
from broker.crypto.place import Place
from broker.crypto.signatures import verify
from broker.errors import IntegrityError, SetuError, SignatureError, UnavailableError
from schemas.problem import Code

CURVES = {
    "Ed25519": (KeyType.EC_EDWARDS, Mechanism.EC_EDWARDS_KEY_PAIR_GEN, b"\x13\x0cedwards25519"),
    "ES384": (KeyType.EC, Mechanism.EC_KEY_PAIR_GEN, encode_named_curve_parameters("secp384r1")),
}
"""alg -> its type, what makes it, and CKA_EC_PARAMS (PKCS #11 v3.1, section 6.3). No other algorithm can be there."""

_ID_SIZE = 8
_OCTETS = 4
_HEADER = 2
_PIN_FAULTS = (
    pkcs11.PinIncorrect,
    pkcs11.PinInvalid,
    pkcs11.PinLenRange,
    pkcs11.PinExpired,
    pkcs11.PinLocked,
    pkcs11.UserPinNotInitialized,
)


class TokenKey(PrivateKey):
    """A private key in an HSM. What it signs was verified before it is handed out."""

    def __init__(self, tokens: "Tokens", place: Place, public: PublicKey) -> None:
        self.alg = public.alg
        self.place = place
        self._tokens = tokens
        self._public = public

    @property
    def public(self) -> PublicKey:
        return self._public

    def sign(self, message: bytes) -> bytes:
        """See `PrivateKey`; also raises IntegrityError (code `config-invalid`), where another key is there now."""
        signature = self._tokens.sign(self.place, self._public, message)
        try:
            verify(self._public, message, signature)
        except SignatureError:
            raise UnavailableError(
                f"Expected a signature that verifies from the token {self.place.token}, found another.",
                advice="Have the HSM looked at; nothing was signed.",
            ) from None
        return signature

    def derive(self, label: bytes) -> bytes:
        """See `PrivateKey`: from the signature over the label, which goes nowhere and is the same each time."""
        first, second = self.sign(label), self.sign(label)
        if first != second:
            raise IntegrityError(
                Code.CONFIG_INVALID,
                f"Expected the same signature twice ({self.alg}, RFC 8032), found two that differ.",
                advice="An HSM that signs so, or a key of ES384, cannot hold this key; keep it in a sealed file.",
            )
        return hmac.digest(first, label, "sha256")

    def stored(self) -> dict[str, str]:
        return {"pkcs11": str(self.place)}

    def __repr__(self) -> str:
        return f"TokenKey({self.alg!r}, {str(self.place)!r})"


class Tokens:
    """The tokens of one PKCS #11 module. One for a process; safe to use from any thread.

    Calls are made one after the other: python-pkcs11 initialises a module as a program with one thread does, and
    SoftHSM then corrupts its memory where two sign at once.

    module: path of the library. pin: of a token, by its label; asked for once, and a PIN that was refused is not tried
    again, for tokens lock after a few.
    """

    def __init__(self, module: Path, pin: Callable[[str], bytes], random: Callable[[int], bytes] = os.urandom) -> None:
        self._module = module
        self._pin = pin
        self._random = random
        self._lock = RLock()
        self._library: Any = None
        self._sessions: dict[tuple[str, str | None], Any] = {}
        self._found: dict[tuple[Place, str], Any] = {}
        self._pins: dict[str, str] = {}
        self._refused: dict[str, IntegrityError] = {}

    def key(self, alg: str, place: Place, kid: str) -> TokenKey:
        """The key of this kid among those that the place may mean.

        Raises:
            IntegrityError: code `config-invalid`; no such key, one that can leave the HSM, a PIN that is refused, or a
                module that cannot be loaded.
            UnavailableError: the token is not there, or does not answer.
        """
        if alg not in CURVES:
            raise _invalid(
                f"Expected a key in an HSM to be of {' or '.join(CURVES)}, found one of another algorithm.",
                "Keep that key in a sealed file.",
            )
        if place.object is None and place.id is None:
            raise _invalid(
                "Expected a PKCS #11 URI that names a key, found one of a token alone.", "Add object= or id= to it."
            )
        with self._lock:
            public = self._asked(place, lambda: self._public(alg, place, kid))
            self._asked(place, lambda: self._private(place, public))
        return TokenKey(self, place, public)

    def generate(self, alg: str, place: Place, label: str) -> TokenKey:
        """A new key in the token, which it never hands out; raises as `key`."""
        made = replace(place, object=label, id=self._random(_ID_SIZE))
        with self._lock:
            raw = self._asked(place, lambda: self._generated(alg, made), again=False)
            return self.key(alg, made, PublicKey(alg, raw).kid)

    def sign(self, place: Place, public: PublicKey, message: bytes) -> bytes:
        """A signature, not verified; a session that was lost is opened anew. Raises as `key`."""
        data, mechanism = message, Mechanism.EDDSA
        if public.alg == "ES384":
            data, mechanism = hashlib.sha384(message).digest(), Mechanism.ECDSA
        with self._lock:
            found: bytes = self._asked(place, lambda: self._private(place, public).sign(data, mechanism=mechanism))
            return found

    def _asked(self, place: Place, ask: Callable[[], Any], *, again: bool = True) -> Any:
        try:
            return ask()
        except (pkcs11.PKCS11Error, SetuError) as error:
            self._forget()
            # A session that its HSM ended, or a token that was out for a moment, costs no more than opening it anew.
            if again and isinstance(error, pkcs11.PKCS11Error):
                return self._asked(place, ask, again=False)
            if isinstance(error, SetuError):
                raise
            raise UnavailableError(
                f"Expected the token {place.token} to answer, found: {type(error).__name__}.",
                advice="Look whether the HSM is there; what was asked for may be asked again.",
            ) from None

    def _forget(self) -> None:
        self._found.clear()
        self._sessions.clear()
        self._library = None

    def _public(self, alg: str, place: Place, kid: str) -> PublicKey:
        found = self._objects(place, ObjectClass.PUBLIC_KEY)
        for each in found:
            raw = _point(alg, bytes(each[Attribute.EC_POINT]))
            try:
                public = PublicKey(alg, raw)
            except SignatureError:
                continue
            if public.kid == kid:
                return public
        raise _invalid(
            f"Expected the {alg} key whose kid the key file names in the token {place.token}, found "
            f"{len(found)} others under that name.",
            "Put the token back that this key was made in, or have the countries enrol the other key.",
        )

    def _private(self, place: Place, public: PublicKey) -> Any:
        if (place, public.kid) in self._found:
            return self._found[place, public.kid]
        # Found anew: another token may be there, or another key under that name.
        self._public(public.alg, place, public.kid)
        found = self._objects(place, ObjectClass.PRIVATE_KEY)
        if len(found) != 1:
            raise _invalid(
                f"Expected one private key under that name in the token {place.token}, found {len(found)}.",
                "Name it by its id= in the key file.",
            )
        (key,) = found
        if key[Attribute.EXTRACTABLE] or not key[Attribute.SENSITIVE]:
            raise _invalid(
                f"Expected a key that the token {place.token} never hands out, found one that can be taken out of it.",
                "Make one with `setu keys generate --pkcs11`, and have it enrolled.",
            )
        self._found[place, public.kid] = key
        return key

    def _generated(self, alg: str, place: Place) -> bytes:
        kind, mechanism, curve = CURVES[alg]
        opened = self._session(place)
        # A second session, for the one that signs need not be able to write; who is logged in is so in both.
        writing = opened.token.open(rw=True)
        try:
            domain = writing.create_domain_parameters(kind, {Attribute.EC_PARAMS: curve}, local=True)
            kept = {Attribute.EXTRACTABLE: False, Attribute.SENSITIVE: True, Attribute.PRIVATE: True}
            public, _ = domain.generate_keypair(
                mechanism=mechanism, store=True, label=place.object, id=place.id, private_template=kept
            )
            return _point(alg, bytes(public[Attribute.EC_POINT]))
        finally:
            writing.close()

    def _objects(self, place: Place, kind: ObjectClass) -> list[Any]:
        named: dict[Attribute, Any] = {Attribute.CLASS: kind}
        if place.object is not None:
            named[Attribute.LABEL] = place.object
        if place.id is not None:
            named[Attribute.ID] = place.id
        return list(self._session(place).get_objects(named))

    def _session(self, place: Place) -> Any:
        wanted = (place.token, place.serial)
        if wanted not in self._sessions:
            self._sessions[wanted] = self._opened(place)
        return self._sessions[wanted]

    def _opened(self, place: Place) -> Any:
        if place.token in self._refused:
            # Without what was noted when it was raised before: asked each second, that would fill the memory.
            raise self._refused[place.token].with_traceback(None)
        token = self._token(place)
        if place.token not in self._pins:
            self._pins[place.token] = self._pin(place.token).decode("utf-8", "replace")
        try:
            return token.open(user_pin=self._pins[place.token])
        except pkcs11.UserAlreadyLoggedIn:
            return token.open()
        except _PIN_FAULTS as error:
            self._refused[place.token] = _invalid(
                f"Expected the PIN of the token {place.token}, found that it refuses it: {type(error).__name__}.",
                "Give the right one and start again; it is not tried a second time, for tokens lock after a few.",
            )
            raise self._refused[place.token] from None

    def _token(self, place: Place) -> Any:
        serial = None if place.serial is None else place.serial.encode()
        try:
            return self._loaded().get_token(token_label=place.token, token_serial=serial)
        except pkcs11.MultipleTokensReturned:
            raise _invalid(
                f"Expected one token {place.token}, found several.", "Add serial= to the PKCS #11 URI."
            ) from None
        except pkcs11.NoSuchToken:
            raise UnavailableError(
                f"Expected the token {place.token}, found none of that name.",
                advice="Look whether the HSM is there; `pkcs11-tool --list-token-slots` shows what its module sees.",
            ) from None

    def _loaded(self) -> Any:
        if self._library is None:
            if not self._module.is_absolute() or not self._module.is_file():
                raise _no_module(self._module, "none there")
            try:
                library = pkcs11.lib(str(self._module))
            except pkcs11.PKCS11Error:
                raise _no_module(self._module, "another library, or one that does not load") from None
            # A module knows the tokens that were there when it was initialised.
            library.reinitialize()
            self._library = library
        return self._library


def _point(alg: str, raw: bytes) -> bytes:
    """CKA_EC_POINT, which is the DER of an OCTET STRING, or in newer modules the bytes themselves."""
    size = ALGORITHMS[alg].public_size
    if len(raw) == size + _HEADER and raw[0] == _OCTETS and raw[1] == size:
        return raw[_HEADER:]
    return raw


def _no_module(module: Path, found: str) -> IntegrityError:
    return _invalid(
        f"Expected the HSM's PKCS #11 module at {module}, found {found}.",
        "Set SETU_PKCS11_MODULE to the whole path of its library, such as /usr/lib/softhsm/libsofthsm2.so.",
    )


def _invalid(message: str, advice: str) -> IntegrityError:
    return IntegrityError(Code.CONFIG_INVALID, message, advice=advice)
