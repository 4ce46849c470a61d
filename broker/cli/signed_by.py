"""Which pair of a log's keys vouches for a head, where it is not the current one; and whether it was compromised."""

from broker.cli.trust import Trust
from broker.merkle.note import VerifierKey, judged
from schemas.directory import KeyState, LogPair

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
    # While two pairs signed, one that was compromised takes nothing from what the other vouches for.
    sound = [log.pairs[each] for each in places if not _compromised(trust, log.pairs[each])]
    pair = sound[0] if sound else log.pairs[places[0]]
    counts = "" if pair.size is None else f", which counts up to {pair.size} entries"
    found = {"signed_by": f"a former pair of the log's keys{counts}"}
    if not sound:
        found["doubt"] = COMPROMISED
    return found


def _compromised(trust: Trust, pair: LogPair) -> bool:
    if trust.directory is None:
        return False
    gateway = trust.directory.current().agency(trust.gateway)
    kids = {VerifierKey.parse(each).public.kid for each in (pair.ed25519, pair.mldsa44)}
    return gateway is not None and any(key.kid in kids and key.state is KeyState.REVOKED for key in gateway.keys)
