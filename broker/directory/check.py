"""What a directory document must be beyond its shape, whoever signed it: sound keys, and no row that points nowhere."""

from collections.abc import Iterator

from broker.crypto.keys import PublicKey
from broker.errors import IntegrityError, SignatureError
from broker.merkle.note import VerifierKey, check_pair
from schemas.directory import Directory, KeyUse, Log, Role
from schemas.problem import Code

_ALGORITHMS = {
    KeyUse.SIGN: frozenset({"Ed25519", "ES384", "ML-DSA-65", "ML-DSA-87"}),
    KeyUse.WRAP: frozenset({"HPKE-9-KE", "HPKE-10-KE"}),
    KeyUse.LOG: frozenset({"Ed25519", "ML-DSA-44"}),
}


def check_document(document: Directory) -> None:
    """Refuse a document with a key that is none, of small order, of another kid or of the wrong use, or with a row that
    names an agency, client or gateway that is not there.

    Raises:
        IntegrityError: code `directory-invalid`; says where.
    """
    for fault in _faults(document):
        raise IntegrityError(
            Code.DIRECTORY_INVALID,
            f"Expected a sound directory document, found {fault} in version {document.version}.",
            advice="Correct the document and have it signed again.",
        )


def _faults(document: Directory) -> Iterator[str]:
    agencies = {agency.id: agency for agency in document.agencies}
    for agency in document.agencies:
        for key in agency.keys:
            try:
                PublicKey.from_directory(key)
            except SignatureError:
                yield f"a key of {agency.id} that is no sound {key.alg} key, or not of its kid"
            if key.alg not in _ALGORITHMS[key.use]:
                yield f"an {key.alg} key of {agency.id} for the use {key.use}"
        for certificate in agency.certificates:
            if not certificate.uri.startswith(f"urn:setu:agency:{agency.id}:g"):
                yield f"a certificate of another agency beside {agency.id}"
        for client in agency.clients:
            if client not in agencies or client == agency.id:
                yield f"a client of {agency.id} that is no other agency of the directory"
    for community in document.communities:
        if not set(community.members) <= set(agencies):
            yield f"a member of the community {community.id} that is not in the directory"
    for log in document.logs:
        if log.gateway not in agencies or Role.GATEWAY not in agencies[log.gateway].roles:
            yield "a log whose gateway is none of the directory"
        yield from _log_faults(log)
    if len({log.gateway for log in document.logs}) != len(document.logs):
        yield "two logs of one gateway"
    ranks = [row.classification for row in document.agreement.ranks]
    if len(set(ranks)) != len(ranks):
        yield "a marking with two ranks"


def _log_faults(log: Log) -> Iterator[str]:
    try:
        for each in log.pairs:
            check_pair(each, log.origin)
    except IntegrityError:
        yield f"a log of {log.gateway} with something else than pairs of an Ed25519 and an ML-DSA-44 verifier key"
        return
    ids = [VerifierKey.parse(key).key_id for each in log.pairs for key in (each.ed25519, each.mldsa44)]
    if len(set(ids)) != len(ids):
        yield f"two verifier keys of one id in the log of {log.gateway}"
