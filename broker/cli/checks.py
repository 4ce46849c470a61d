"""What can be wrong with a deployment, one check for each thing, and what to do about it."""

import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from broker.assembly.keys import keys_in, log_pairs_of, wrap_keys_of
from broker.assembly.keystore import keystore
from broker.assembly.logkeys import LogKeys
from broker.assembly.policy import policy_in
from broker.assembly.store import guard_takes, look_at_store, shared_note
from broker.assembly.wrap import key_path, own_keys, signs_here
from broker.cli.checks_around import check_clock, check_disk, check_kafka, check_listening, check_repository, check_tls
from broker.cli.deny_shown import deny_findings
from broker.cli.directory import expiries
from broker.cli.findings import DAY, SOON, Finding, Patient, State, certificate_in, dated, free_bytes, made
from broker.cli.hsm_checks import check_hsm
from broker.config import GatewaySettings
from broker.crypto.certificates import dates
from broker.crypto.keyfile import read_secret
from broker.crypto.sealing import is_sealed
from broker.directory.logs import both_sign
from broker.directory.lookup import Snapshot
from broker.directory.retire import ends
from broker.directory.wrap import GatewayKeys
from broker.errors import SetuError
from broker.merkle.note import verify_remembered
from schemas.directory import KeyState, Log, Role

ROTATE = "Run `setu rotate wrap` where the keys of its role are."


def examine(
    settings: GatewaySettings, now: Callable[[], float] = time.time, *, free: Callable[[Path], int] = free_bytes
) -> Iterator[Finding]:
    """All findings; a check that cannot be made is a bad finding itself. `free`: bytes free where a path is."""
    yield from made(CHECKS, Patient(settings, now, free))


def _secrets(patient: Patient) -> Iterator[Finding]:
    base = patient.settings.base
    files = [path for path in sorted(base.rglob("*.key")) if not path.is_symlink() and "cache" not in path.parts]
    # Behind a proxy on this machine it is the proxy that ends TLS, with a key of its own; credentials are systemd's.
    tls = patient.at(patient.settings.paths.certificate_key)
    configured = [] if patient.settings.listen.socket or keystore().find(tls) != tls else [tls]
    wrong = sealed = 0
    for path in dict.fromkeys([*files, *configured]):
        try:
            sealed += is_sealed(read_secret(path))
        except SetuError as error:
            wrong += 1
            yield Finding("secrets", State.BAD, error.message, error.advice)
    if not wrong:
        said = f"{len(files)} private key files, each readable by its owner alone; {sealed} sealed with a passphrase."
        yield Finding("secrets", State.OK, said)
    mode = stat.S_IMODE(base.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            "secrets",
            State.WARNING,
            f"The folder has mode {mode:04o}: others can see into it.",
            f"Run: chmod 700 {base}",
        )


def _keys(patient: Patient) -> Iterator[Finding]:
    settings = patient.settings
    keys = keys_in(patient.at(settings.paths.keys))
    snapshot = patient.snapshot()
    yield from check_hsm([*keys, *keys_in(patient.at(settings.paths.realm_keys))])
    log = snapshot.log(settings.gateway)
    held = [each.vkeys for each in log_pairs_of(keys, log)]
    if (log.ed25519, log.mldsa44) not in held:
        yield Finding(
            "keys",
            State.BAD,
            "The log keys here are not those that the directory names for this gateway.",
            "Restore the gateway's own keys folder; heads signed with other keys are refused by everybody.",
        )
        return
    yield from _log_pairs(log, held)
    yield from _wrap_keys(patient, snapshot, wrap_keys_of(keys).keys())


def _log_pairs(log: Log, held: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """What a rotation of the log's keys left to be done; `held`: the pairs whose private halves are here."""
    pairs = {(each.ed25519, each.mldsa44): each for each in log.pairs}
    ended = [each for each in held if each in pairs and pairs[each].size is not None]
    if ended:
        yield Finding(
            "keys",
            State.WARNING,
            "The private half of a former pair of the log's keys is still here, though it signs no more.",
            "Run `setu rotate log --finish` here, which destroys it.",
        )
    if both_sign(log):
        yield Finding(
            "keys", State.OK, "Two pairs sign the log's heads, for a rotation is under way: setu rotate log --finish."
        )
    if any(each not in pairs for each in held):
        yield Finding(
            "keys", State.OK, "Heads are signed also with a pair of log keys that is not in the directory yet."
        )


def _wrap_keys(patient: Patient, snapshot: Snapshot, fixed: Collection[str]) -> Iterator[Finding]:
    """Whether the gateway can open what is sealed to it: by a key in the directory itself, or by those of its role."""
    settings = patient.settings
    role = own_keys(snapshot, settings.gateway)
    if role is not None:
        yield from _changing_keys(patient, role)
        return
    agency = snapshot.active(settings.gateway, Role.GATEWAY)
    listed = {key.kid for key in agency.keys if key.state is not KeyState.REVOKED}
    if not listed & set(fixed):
        yield Finding(
            "keys",
            State.BAD,
            "None of the gateway's wrap keys is in the directory: it cannot read packets sent open.",
            "Restore the keys folder, or have the countries enrol the new key.",
        )
        return
    yield Finding("keys", State.OK, "The gateway's log and wrap keys are those that the directory lists.")


def _changing_keys(patient: Patient, role: GatewayKeys) -> Iterator[Finding]:
    settings, now = patient.settings, patient.now()
    by_itself = signs_here(settings)
    if role.trouble is not None and role.version:
        yield Finding("keys", State.WARNING, role.trouble, ROTATE)
    good = [key for key in role.keys if key.not_before <= now < key.not_after]
    if not good:
        yield Finding(
            "keys",
            State.WARNING if by_itself else State.BAD,
            "Expected a wrap key in its dates, found none: the gateway is no reader now.",
            "It makes one when it is started."
            if by_itself
            else "Run `setu rotate wrap` where the keys of its role are.",
        )
        return
    folder = patient.at(settings.paths.wrap_keys)
    if lacking := [key for key in good if not key_path(folder, key.kid).is_file()]:
        yield Finding(
            "keys",
            State.BAD,
            f"Expected the private half of each wrap key in its dates in {folder}, found {len(lacking)} missing.",
            "Restore or copy them from where they were made. Where they are lost, run `setu rotate wrap`: what is "
            "sealed to them is answered 503 until they end.",
        )
        return
    newest = max(good, key=lambda key: key.not_before)
    end = datetime.fromtimestamp(newest.not_after, UTC)
    said = f"The log's keys are the directory's; the newest wrap key is good until {end:%Y-%m-%d %H:%M}Z"
    if by_itself or newest.not_before + settings.wrap_keys.every > now:
        yield Finding("keys", State.OK, f"{said}.")
    else:
        yield Finding("keys", State.WARNING, f"{said}; another is due.", "Run `setu rotate wrap` each day.")


def _certificates(patient: Patient) -> Iterator[Finding]:
    paths = patient.settings.paths
    own = [] if patient.settings.listen.socket else [patient.at(paths.certificate)]
    named = [("the server's certificate", certificate_in(each, each.read_bytes())) for each in own]
    end = b"-----END CERTIFICATE-----\n"
    bundle = patient.at(paths.clients_ca).read_bytes().split(end)
    named += [
        (f"clients' CA {n}", certificate_in(patient.at(paths.clients_ca), pem + end))
        for n, pem in enumerate(bundle, 1)
        if pem.strip()
    ]
    for name, der in named:
        begins, ends = dates(der)
        yield dated("certificates", name, begins, ends, patient.now(), "Issue a new one: `setu rotate server`.")


def _directory(patient: Patient) -> Iterator[Finding]:
    settings, now = patient.settings, patient.now()
    snapshot = patient.snapshot()
    yield Finding("directory", State.OK, f"Version {snapshot.ref.version} verifies from the pinned root.")
    renews = any(patient.at(settings.paths.realm_keys).glob("timestamp*.key"))
    advice = {
        "root": "Have the countries sign a new root.",
        "targets": "Have the countries sign the directory again.",
        "snapshot": "Run `setu directory renew` where the operator's keys are.",
        "timestamp": "Run `setu directory renew` where the operator's keys are.",
    }
    for role, text in expiries(patient.at(settings.paths.directory)).items():
        left = datetime.fromisoformat(text).timestamp() - now
        short = role in ("snapshot", "timestamp")
        if left < (DAY / 4 if short else SOON) and not (short and renews and left > 0):
            yield Finding("directory", State.WARNING, f"The {role} metadata expires at {text}.", advice[role])
    for state, found, what in deny_findings(snapshot, now, settings.acceptance.deny_grace):
        yield Finding("directory", State(state), found, what)
    daily = {key.kid for each in snapshot.gateways for key in each.keys}
    for agency in snapshot.document.agencies:
        last = ends(agency, daily)
        if last and min(last) - now < SOON:
            day = datetime.fromtimestamp(min(last), UTC).date()
            yield Finding(
                "directory",
                State.WARNING,
                f"A key or certificate of {agency.id} ends on {day}.",
                "Have the agency ask for its next one: `setu rotate request`.",
            )


def _policies(patient: Patient) -> Iterator[Finding]:
    policy = policy_in(patient.at(patient.settings.paths.policies))
    yield Finding("policies", State.OK, f"{len(policy.rules)} rules, version {policy.version[:16]}.")


def _store(patient: Patient) -> Iterator[Finding]:
    seen = look_at_store(patient.settings)
    if seen is None:
        yield Finding("store", State.OK, "There is no store yet; the first start makes it.")
        return
    if not seen.known:
        yield Finding(
            "store",
            State.BAD,
            f"Expected a store of schema {seen.newest} or older, found {seen.schema}.",
            "It was written by a newer release: run that one.",
        )
    elif seen.schema != seen.newest:
        yield Finding(
            "store",
            State.WARNING,
            f"The store has schema {seen.schema}, this program {seen.newest}.",
            "Make a backup, then run `setu store upgrade`; a SQLite file is also brought up to date by the next start.",
        )
    if seen.unsafe is not None:
        yield Finding(
            "store",
            State.BAD,
            f"Expected a store that keeps what it took, found that {seen.unsafe}.",
            "Put the file on a local disk and start the gateway, which sets it.",
        )
    if seen.fault is not None:
        yield Finding(
            "store",
            State.BAD,
            f"Expected an intact store, found that {seen.fault}.",
            "Stop the gateway, keep the store as it is, and restore the newest backup.",
        )
    else:
        yield Finding(
            "store", State.OK, f"{seen.engine}, intact, schema {seen.schema}, {seen.size or 0} ledger entries."
        )


def _guard(patient: Patient) -> Iterator[Finding]:
    if not patient.settings.embedded:
        yield from _shared_guard(patient)
        return
    settings = patient.settings
    path, store = patient.at(settings.paths.guard), patient.at(settings.paths.store)
    log = patient.snapshot().log(settings.gateway)
    lost = "Put an auditor's newest mirrored checkpoint in its place; without it the gateway does not sign."
    if not path.exists():
        seen = look_at_store(settings)
        if seen is not None and seen.size:
            yield Finding("guard", State.BAD, f"Expected the newest signed head at {path}, found no file.", lost)
        else:
            yield Finding("guard", State.OK, "There is no guard yet; the first start makes it.")
        return
    head = verify_remembered(path.read_bytes(), log)
    seen = look_at_store(settings, (head.size, head.root))
    # A running gateway may have moved both on between the two looks: then its newer head is there too.
    if seen is None or not seen.shared:
        yield Finding(
            "guard",
            State.BAD,
            f"Expected the store to hold the guard's head of size {head.size}, found that it does not.",
            "The store is older than what left this log, or another log's: restore the newest backup.",
        )
        return
    yield Finding("guard", State.OK, f"The guard's head, size {head.size}, is the log's and among the store's heads.")
    if path.parent.stat().st_dev == store.parent.stat().st_dev:
        yield Finding(
            "guard",
            State.WARNING,
            "The guard is on the same disk as the store: one restored snapshot takes both back.",
            "Name a file on another disk as `guard` under [paths].",
        )


def _shared_guard(patient: Patient) -> Iterator[Finding]:
    settings = patient.settings
    log = patient.snapshot().log(settings.gateway)
    kept = shared_note(settings, LogKeys(patient.at(settings.paths.keys), settings.gateway, log).signers)
    if kept is None:
        seen = look_at_store(settings)
        if seen is not None and seen.size:
            yield Finding(
                "guard",
                State.BAD,
                "Expected the shared guard to hold the newest signed head, found that it holds none.",
                "Give it the file it lost, or an auditor's newest mirrored checkpoint; without it no gateway signs.",
            )
        else:
            yield Finding("guard", State.OK, "The shared guard answers, and holds no head yet.")
        return
    head = verify_remembered(kept, log)
    seen = look_at_store(settings, (head.size, head.root))
    if seen is None or not seen.shared:
        yield Finding(
            "guard",
            State.BAD,
            f"Expected the store to hold the guard's head of size {head.size}, found that it does not.",
            "The database is older than what left this log, or another log's: restore the newest backup.",
        )
        return
    pairs = log_pairs_of(keys_in(patient.at(settings.paths.keys)), log)
    if not all(guard_takes(settings, each) for each in pairs if each.pair == log.pairs[0]):
        yield Finding(
            "guard",
            State.WARNING,
            "The shared guard does not take heads under the log's current pair of keys alone.",
            "Add its two verifier keys (setu audit vkey) to `vkeys` of the guard's settings before the former ends.",
        )
    yield Finding("guard", State.OK, f"The shared guard's head, size {head.size}, is among the store's heads.")


CHECKS: Sequence[Callable[[Patient], Iterator[Finding]]] = (
    _secrets,
    check_repository,
    _directory,
    _keys,
    _certificates,
    check_tls,
    _policies,
    _store,
    _guard,
    check_listening,
    check_kafka,
    check_clock,
    check_disk,
)
