"""Whether keys in an HSM answer, for `setu doctor`: each signs something that is nothing else's to sign."""

from collections.abc import Iterable, Iterator

from broker.cli.findings import Finding, State
from broker.crypto.keys import PrivateKey
from broker.errors import SetuError

CHECK = b"setu1.key-check"
"""No packet, note or metadata begins so."""


def check_hsm(keys: Iterable[tuple[str, PrivateKey]]) -> Iterator[Finding]:
    """One finding for all that answer, and one for each that does not; none where no key is in an HSM.

    That it is the key of its file was found out when it was read.
    """
    there = [(use, key) for use, key in keys if "pkcs11" in key.stored()]
    wrong = False
    for use, key in there:
        try:
            key.sign(CHECK)
        except SetuError as error:
            wrong = True
            yield Finding("hsm", State.BAD, f"The {use} key {key.alg}: {error.message}", error.advice)
    if there and not wrong:
        yield Finding("hsm", State.OK, f"{len(there)} keys are in an HSM, which signs with each of them.")
