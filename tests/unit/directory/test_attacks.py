"""What a reader of the directory must refuse, each by name. Version 1 is in force before, and stays so."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata

from broker.directory.tuf_drafts import cosign
from broker.directory.tuf_repository import Repository
from broker.errors import IntegrityError
from schemas.problem import Code
from tests.unit.directory.attacks import (
    CLASSICAL,
    IND,
    IND_ROOT,
    OTHER,
    Reader,
    World,
    changed,
    first_key,
    flip,
    local,
    mixed_snapshot,
    mixed_targets,
    no_consistent_snapshots,
    old_directory,
    one_key_in_two_roles,
    one_key_under_two_names,
    operator_signs_targets,
    remote,
    rolled_back_snapshot,
    rolled_back_targets,
    rolled_back_timestamp,
    root_change,
    root_signature,
    same_version_other_hash,
    seven,
    small_order,
    threshold,
    usa_replaced,
    versions_differ,
)
from tests.unit.directory.forge import SOON, signed
from tests.unit.directory.realm import DAY, KEYS, Clock, Keys, document, found_realm, publish

both = pytest.mark.parametrize("make", [pytest.param(local, id="local"), pytest.param(remote, id="remote")])


ATTACKS = [
    # root
    pytest.param(root_change(lambda _: None, KEYS.roots[:6]), "root was signed by 6/7", id="root-six-of-eight"),
    pytest.param(root_change(lambda _: None, KEYS.root["IND"]), "root was signed by 4/7", id="root-one-country"),
    pytest.param(root_change(lambda _: None, OTHER.roots), "root was signed by 0/7", id="root-of-others"),
    pytest.param(seven(3 * IND_ROOT[:1]), "Failed to deserialize", id="root-seven-one-country-and-duplicates"),
    pytest.param(seven(IND_ROOT[1:]), "Failed to deserialize", id="root-seven-one-country-each-twice"),
    pytest.param(seven(OTHER.roots[:3]), "root was signed by 4/7", id="root-seven-one-country-and-another-realm"),
    pytest.param(seven(OTHER.root["USA"][:3]), "signed by 4/7", id="root-seven-one-country-and-others-usa"),
    pytest.param(
        seven([*KEYS.all_targets[:2], KEYS.operator.timestamp]), "signed by 4/7", id="root-seven-with-other-roles-keys"
    ),
    pytest.param(usa_replaced, "root was signed by 4/7", id="root-seven-of-those-it-names-itself"),
    pytest.param(one_key_in_two_roles, "one key in two roles", id="root-one-key-in-two-roles"),
    pytest.param(root_change(lambda root: root.update(version=3)), "version 2", id="root-skips-a-version"),
    pytest.param(root_change(threshold("targets", 2)), "a threshold of 2 for targets", id="root-lowers-targets"),
    pytest.param(root_change(threshold("root", 4)), "a threshold of 4 for root", id="root-lowers-root"),
    pytest.param(no_consistent_snapshots, "no consistent snapshots", id="root-without-consistency"),
    pytest.param(one_key_under_two_names, "under its thumbprint", id="root-one-key-under-two-names"),
    pytest.param(root_change(operator_signs_targets), "other targets keys", id="root-operator-among-targets"),
    pytest.param(
        root_change(first_key("ml-dsa-44", "ml-dsa-44", "00")), "Failed to deserialize", id="key-type-unknown-to-tuf"
    ),
    pytest.param(
        root_change(first_key("ecdsa", "ecdsa-sha2-nistp256", "00")), "signed by", id="key-type-unknown-to-setu"
    ),
    pytest.param(root_change(first_key("ed25519", "ed25519", "00" * 32)), "signed by", id="key-of-small-order"),
    # targets
    pytest.param(
        lambda w: w.forged(keys=KEYS.all_targets[:3]), "targets was signed by 3/4", id="targets-three-of-four"
    ),
    pytest.param(lambda w: w.forged(keys=IND), "targets was signed by 2/4", id="targets-one-country"),
    pytest.param(lambda w: w.forged(keys=CLASSICAL), "targets was signed by 2/4", id="targets-classical-only"),
    pytest.param(lambda w: w.forged(keys=[IND[0]] * 4), "targets was signed by 1/4", id="targets-one-key-four-times"),
    pytest.param(lambda w: w.forged(keys=[]), "targets was signed by 0/4", id="targets-unsigned"),
    pytest.param(lambda w: w.forged(keys=OTHER.all_targets), "targets was signed by 0/4", id="targets-of-others"),
    pytest.param(lambda w: w.forged(path="other.json"), "directory.json among the targets", id="target-missing"),
    # operator
    pytest.param(lambda w: w.forged(snapshot_key=IND[0]), "snapshot was signed by 0/1", id="snapshot-by-a-country"),
    pytest.param(
        lambda w: w.forged(timestamp_key=KEYS.operator.snapshot),
        "timestamp was signed by 0/1",
        id="timestamp-other-key",
    ),
    # rolled back
    pytest.param(rolled_back_timestamp, "New timestamp version 2 must be >= 3", id="timestamp-rolled-back"),
    pytest.param(rolled_back_snapshot, "New snapshot version must be >= 3, got version 2", id="snapshot-rolled-back"),
    pytest.param(rolled_back_targets, "Expected targets.json version", id="targets-rolled-back"),
    pytest.param(
        old_directory(number=9, snapshot_number=1),
        "New snapshot version must be >= 2, got version 1",
        id="old-directory-under-a-fresh-timestamp",
    ),
    pytest.param(
        old_directory(number=9),
        "Expected targets.json version 1, got 2",
        id="old-directory-under-a-fresh-snapshot-and-timestamp",
    ),
    # mixed and tampered
    pytest.param(mixed_snapshot, "hash", id="mixed-snapshot"),
    pytest.param(mixed_targets, "hash", id="mixed-targets"),
    pytest.param(changed("target", flip), "hash", id="target-one-bit"),
    pytest.param(changed("target", lambda raw: raw[:-1]), "length", id="target-shorter"),
    pytest.param(changed("target", lambda raw: raw + b" "), "longer", id="target-longer"),
    pytest.param(changed("2.targets.json", flip), "hash", id="targets-one-bit"),
    pytest.param(changed("2.snapshot.json", flip), "hash", id="snapshot-one-bit"),
    pytest.param(
        changed("timestamp.json", lambda raw: raw.replace(b'"version":2', b'"version":9')),
        "signed by 0/1",
        id="timestamp-changed",
    ),
    pytest.param(changed("timestamp.json", lambda _: b"<html>"), "Failed to deserialize", id="timestamp-no-json"),
    pytest.param(changed("timestamp.json", lambda _: b" " * 20_000), "longer", id="timestamp-endless"),
    # the document
    pytest.param(same_version_other_hash, "two directories of one version", id="two-directories-of-one-version"),
    pytest.param(versions_differ, "a document of version 2, found 3", id="document-of-another-version"),
    pytest.param(lambda w: w.forged(raw=b"{}"), "a directory document", id="document-not-one"),
    pytest.param(lambda w: w.forged(raw=b'{"v":1,"v":1}'), "a directory document", id="document-duplicate-name"),
    pytest.param(small_order, "a key of in-ncb that is no sound Ed25519 key", id="document-small-order-key"),
]


@both
@pytest.mark.parametrize(("attack", "fault"), ATTACKS)
def test_refused(tmp_path: Path, make: Callable[..., Reader], attack: Callable[[World], None], fault: str) -> None:
    world = World(tmp_path, make)
    first = world.reader.current()
    attack(world)
    before = world.reader.current()
    for _ in range(2):  # and not by its being tried again
        with pytest.raises(IntegrityError) as refused:
            world.reader.refresh()
        assert refused.value.code is Code.DIRECTORY_INVALID
        assert fault in refused.value.message
    assert world.reader.current().ref == before.ref
    assert world.reader.at(1).ref == first.ref


@both
@pytest.mark.parametrize("text", ["zz", None, "", "00"])
@pytest.mark.parametrize("alg", ["Ed25519", "ML-DSA-65"])
def test_a_signature_that_is_none_counts_as_none(
    tmp_path: Path, make: Callable[..., Reader], alg: str, text: str | None
) -> None:
    world = World(tmp_path, make)
    root_signature(alg, text)(world)
    assert world.reader.refresh().ref.version == 1
    assert world.metadata("2.root.json").exists()


EXPIRED = [
    pytest.param({"number": 2, "until": SOON}, "timestamp.json is expired", id="timestamp"),
    pytest.param({"number": 2, "snapshot_until": SOON}, "snapshot.json is expired", id="snapshot"),
]


@both
@pytest.mark.parametrize(("over", "fault"), EXPIRED)
def test_frozen(tmp_path: Path, make: Callable[..., Reader], over: dict[str, Any], fault: str) -> None:
    world = World(tmp_path, make)
    world.forge.state(world.metadata("1.targets.json").read_bytes(), 1, **over)
    before = world.reader.refresh()
    world.clock.at += 3_599
    assert world.reader.refresh().ref == before.ref
    world.clock.at += 1
    with pytest.raises(IntegrityError, match=fault):
        world.reader.refresh()
    assert world.reader.current().ref == before.ref


@both
def test_expired_targets_and_root(tmp_path: Path, make: Callable[..., Reader]) -> None:
    world = World(tmp_path, make)
    world.forged(until=SOON)
    assert world.reader.refresh().ref.version == 2
    world.clock.at += 2 * 3_600
    with pytest.raises(IntegrityError, match="targets is expired"):
        world.reader.refresh()
    world.clock.at += 366 * DAY
    world.repository.renew(KEYS.operator)
    with pytest.raises(IntegrityError, match=r"Final root\.json is expired"):
        world.reader.refresh()
    assert world.reader.current().ref.version == 2


@both
def test_a_lower_version_after_the_operators_keys_changed(tmp_path: Path, make: Callable[..., Reader]) -> None:
    world = World(tmp_path, make)
    publish(world.repository, document(2))
    publish(world.repository, document(3))
    world.reader.refresh()
    changed = Keys("changed")
    changed.root, changed.targets = KEYS.root, KEYS.targets
    root = world.repository.draft_root(changed.public())
    for key in KEYS.roots:
        root = cosign(root, key)
    world.repository.install(changed.operator, root=root)
    second = world.metadata("2.targets.json").read_bytes()
    world.forge.state(
        second, 2, number=90, snapshot_key=changed.operator.snapshot, timestamp_key=changed.operator.timestamp
    )
    with pytest.raises(IntegrityError, match="version 3 or newer, found 2"):
        world.reader.refresh()
    assert world.reader.current().ref.version == 3


def _of_another_realm(tmp: Path, _: World) -> bytes:
    return found_realm(tmp / "other", Clock(), keys=OTHER)[1]


def _second(_: Path, world: World) -> bytes:
    world.forge.root(KEYS.roots)
    return world.metadata("2.root.json").read_bytes()


def _too_few(_: Path, world: World) -> bytes:
    return signed(Metadata.from_bytes(world.root).signed, KEYS.roots[:6])


PINNED = [
    pytest.param(_of_another_realm, "was signed by 0/", id="another-realms"),
    pytest.param(_too_few, "root was signed by 6/7", id="six-of-eight"),
    pytest.param(_second, "the realm's first root", id="not-the-first"),
    pytest.param(lambda _, w: w.metadata("timestamp.json").read_bytes(), "the realm's first root", id="a-timestamp"),
    pytest.param(lambda *_: b"no root", "Failed to deserialize", id="garbage"),
    pytest.param(lambda _, w: w.root[:-1], "Failed to deserialize", id="cut-off"),
]


@both
@pytest.mark.parametrize(("pinned", "fault"), PINNED)
def test_wrong_pinned_root(
    tmp_path: Path, make: Callable[..., Reader], pinned: Callable[[Path, World], bytes], fault: str
) -> None:
    world = World(tmp_path, make)
    wrong = pinned(tmp_path, world)
    with pytest.raises(IntegrityError) as refused:
        make(world.folder, wrong, tmp_path / "fresh", world.clock)
    assert fault in refused.value.message


@both
def test_the_alarm_outlives_the_process(tmp_path: Path, make: Callable[..., Reader]) -> None:
    world = World(tmp_path, make)
    same_version_other_hash(world)
    with pytest.raises(IntegrityError, match="two directories"):
        make(world.folder, world.root, tmp_path / "cache", world.clock)


@both
def test_memory_against_rollback_outlives_the_process(tmp_path: Path, make: Callable[..., Reader]) -> None:
    world = World(tmp_path, make)
    backup = tmp_path / "backup"
    shutil.copytree(world.folder, backup)
    publish(world.repository, document(2))
    world.reader.refresh()
    with pytest.raises(IntegrityError, match="must be >="):
        make(backup, world.root, tmp_path / "cache", world.clock)


def test_signers_of_another_realm_cannot_publish_here(tmp_path: Path) -> None:
    repository, _ = found_realm(tmp_path, Clock())
    with pytest.raises(IntegrityError, match="targets was signed by 0/4"):
        publish(repository, document(2), OTHER.all_targets)
    with pytest.raises(IntegrityError, match="timestamp was signed by 0/1"):
        Repository(tmp_path, Clock()).renew(OTHER.operator)
