"""What is in force, by the countries' signatures alone: what a copy that somebody brought must not be taken for it."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.directory.tuf_drafts import cosign, root_draft
from broker.directory.tuf_held import held_in
from broker.errors import IntegrityError
from schemas.problem import Code
from tests.builders import NOW
from tests.unit.directory.forge import Forge
from tests.unit.directory.realm import KEYS, Clock, Keys, document, found_realm, publish

OTHERS = Keys("others")


class Copy:
    """A copy of a repository's folder, in the hands of whoever brings it."""

    def __init__(self, tmp: Path) -> None:
        self.folder = tmp / "copy"
        self.repository, self.root = found_realm(self.folder, Clock())
        self.forge = Forge(self.folder)

    def next_root(self, keys: Keys, *signers: Keys) -> None:
        """The root that gives the realm to other keys."""
        made = root_draft(keys.public(), 2, datetime.fromtimestamp(NOW, UTC).replace(year=2030))
        for each in {key.public.kid: key for signer in signers for key in signer.roots}.values():
            made = cosign(made, each)
        (self.folder / "metadata/2.root.json").write_bytes(made)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_the_newest_root_and_directory_count_whatever_expired(copy: Copy) -> None:
    publish(copy.repository, document(2))
    copy.forge.root(KEYS.roots, lambda root: root.update(expires="1999-01-01T00:00:00Z"))
    held = held_in(copy.folder, copy.root)
    assert (held.root.version, held.targets.version, held.document) == (2, 2, document(2))
    assert len(held.realm) == 64


def test_a_directory_that_its_keys_did_not_sign_is_passed_over(copy: Copy) -> None:
    for number, keys in ((7, OTHERS.all_targets), (8, KEYS.all_targets[:3]), (9, KEYS.roots)):
        copy.forge.document(document(number).canonical(), number, keys=keys)
    assert held_in(copy.folder, copy.root).document == document()


def _by_the_new_keys_alone(copy: Copy) -> None:
    copy.next_root(OTHERS, OTHERS)
    copy.forge.document(document(2).canonical(), 2, keys=OTHERS.all_targets)


def _by_the_old_keys_alone(copy: Copy) -> None:
    copy.next_root(OTHERS, KEYS)


def _by_six_of_the_old(copy: Copy) -> None:
    copy.forge.root(KEYS.roots[:6])


def _one_left_out(copy: Copy) -> None:
    copy.forge.root(KEYS.roots, lambda root: root.update(version=3))


def _another_shape(copy: Copy) -> None:
    copy.forge.root(KEYS.roots, lambda root: root["roles"]["root"].update(threshold=6))


def _another_document(copy: Copy) -> None:
    (path,) = (copy.folder / "targets").glob("*.directory.json")
    path.write_bytes(document(name="Another").canonical())


def _no_document(copy: Copy) -> None:
    copy.forge.document(b"{}", 2)


def _unsound_document(copy: Copy) -> None:
    made = document(2, communities=[{"id": "all", "name": "All", "members": ["us-nobody"]}])
    copy.forge.document(made.canonical(), 2)


def _signed_by_nobody(copy: Copy) -> None:
    (copy.folder / "metadata/1.targets.json").unlink()
    copy.forge.document(document().canonical(), 1, keys=OTHERS.all_targets)


def _a_huge_file(copy: Copy) -> None:
    with (copy.folder / "metadata/2.root.json").open("wb") as file:
        file.truncate(2**40)


def _a_pipe(copy: Copy) -> None:
    os.mkfifo(copy.folder / "metadata/9.targets.json")


@pytest.mark.parametrize(
    ("attack", "found"),
    [
        pytest.param(_by_the_new_keys_alone, "signed by 0/7", id="a-root-by-the-new-keys-alone"),
        pytest.param(_by_the_old_keys_alone, "signed by 0/7", id="a-root-by-the-old-keys-alone"),
        pytest.param(_by_six_of_the_old, "signed by 6/7", id="a-root-by-six"),
        pytest.param(_one_left_out, "found other metadata", id="a-root-of-a-later-version"),
        pytest.param(_another_shape, "a threshold of 6", id="a-root-of-another-shape"),
        pytest.param(_another_document, "verifies from the pinned root", id="another-document"),
        pytest.param(_no_document, "a directory document", id="no-document"),
        pytest.param(_unsound_document, "a member of the community", id="an-unsound-document"),
        pytest.param(_a_huge_file, "of at most 5000000 bytes", id="a-huge-file"),
        pytest.param(_a_pipe, "of at most 5000000 bytes", id="a-pipe"),
        pytest.param(_signed_by_nobody, "signed by the keys of root 1, found none", id="a-directory-by-nobody"),
    ],
)
def test_what_is_not_in_force(copy: Copy, attack: Callable[[Copy], None], found: str) -> None:
    attack(copy)
    with pytest.raises(IntegrityError, match=found) as caught:
        held_in(copy.folder, copy.root)
    assert caught.value.code is Code.DIRECTORY_INVALID


def test_the_pinned_root_judges_and_not_the_copys(copy: Copy, tmp_path: Path) -> None:
    _, pinned = found_realm(tmp_path / "other", Clock(), keys=OTHERS)
    publish(copy.repository, document(2))
    with pytest.raises(IntegrityError, match="none"):
        held_in(copy.folder, pinned)
    assert held_in(tmp_path / "other", pinned).realm != held_in(copy.folder, copy.root).realm
