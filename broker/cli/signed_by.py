"""Which pair of a log's keys vouches for a head, where it is not the current one; and whether it was compromised."""

from broker.cli.trust import Trust
from broker.merkle.note import VerifierKey, judged
from schemas.directory import KeyState

COMPROMISED = (
    "its head is signed by a former pair of the log's keys alone, which was compromised: who has them can make one of "
    "that size or a smaller one. Hold it against a mirror, or ask for a proof under the current pair"
)


def of_head(note: str, trust: Trust) -> dict[str, str]:
    """Nothing for a head under the current pair; else `signed_by`, and `doubt` where the pair was compromised. The note
    was verified before.
    """
    log = trust.log
    places = judged(note.encode(), log.origin, log.pairs).pairs
    if places[0] == 0:
        return {}
    pair = log.pairs[places[0]]
    counts = "" if pair.size is None else f", which counts up to {pair.size} entries"
    found = {"signed_by": f"a former pair of the log's keys{counts}"}
    if _compromised(trust, pair.ed25519, pair.mldsa44):
        found["doubt"] = COMPROMISED
    return found


def _compromised(trust: Trust, *vkeys: str) -> bool:
    if trust.directory is None:
        return False
    gateway = trust.directory.current().agency(trust.gateway)
    kids = {VerifierKey.parse(each).public.kid for each in vkeys}
    return gateway is not None and any(key.kid in kids and key.state is KeyState.REVOKED for key in gateway.keys)
