"""The directory shown, verified, renewed and published."""

import json
import shutil

import pytest

from broker.assembly.realm import local_directory
from broker.cli.directory import differences, expiries
from schemas.canonical import canonical, unb64u
from schemas.directory import Directory


def document_of(deployment):
    return local_directory(deployment.gateway()).current().signed.to_object()


def test_show_prints_who_takes_part(setu, made):
    said = setu("directory", "show", "--config", made.config, "--json")
    assert said.json()["directory"] == document_of(made)
    people = setu("directory", "show", "--config", made.config).out
    assert [each["id"] for each in document_of(made)["agencies"] if each["id"] not in people] == []


def test_the_document_comes_byte_for_byte(setu, made, write):
    said = setu("directory", "show", "--config", made.config, "--document")
    assert said.out.encode() == local_directory(made.gateway()).current().raw
    again = setu("directory", "show", "--directory", write("d.json", said.out.encode()), "--json").json()
    assert again["hash"] == local_directory(made.gateway()).current().ref.hash


def test_verify_tells_the_realm_for_voice_and_the_dates(setu, made):
    found = setu("directory", "verify", "--config", made.config, "--json").json()
    assert found["ok"] is True
    assert set(found["expires"]) == {"root", "targets", "snapshot", "timestamp"}
    people = setu("directory", "verify", "--directory", made.path / "directory").out
    assert unb64u(found["realm"]).hex() in people.replace(" ", "")


def test_a_document_alone_is_not_said_to_be_signed(setu, made, write):
    raw = local_directory(made.gateway()).current().raw
    said = setu("directory", "verify", "--directory", write("d.json", raw))
    assert "who signed it was not asked" in said.out


def test_a_repository_that_was_changed_is_refused(setu, own):
    (document,) = (own.path / "directory/targets").glob("*.directory.json")
    document.write_bytes(document.read_bytes().replace(b"Customs", b"Costums"))
    said = setu("directory", "verify", "--config", own.config)
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("directory-invalid:")


def test_renew_signs_a_new_timestamp(setu, own):
    said = setu("directory", "renew", "--config", own.config, "--json")
    assert said.json()["expires"] == expiries(own.path / "directory")
    stamp = json.loads((own.path / "directory/metadata/timestamp.json").read_bytes())["signed"]
    assert stamp["version"] == 4  # the deny lists of the foundation were the second, the first wrap key the third
    assert setu("directory", "renew", "--config", own.config).status == 0
    assert setu("directory", "verify", "--config", own.config).status == 0


def test_renew_needs_the_operators_keys(setu, own):
    (own.path / "realm/keys/timestamp.key").unlink()
    said = setu("directory", "renew", "--config", own.config)
    assert said.status == 1
    assert said.err.startswith("config-invalid:")


def suspended(document):
    agencies = [each | {"state": "suspended"} if each["id"] == "us-cbp" else each for each in document["agencies"]]
    return document | {"version": document["version"] + 1, "agencies": agencies}


def test_publish_puts_a_new_version_in_force(setu, own, write):
    file = write("d.json", suspended(document_of(own)))
    tried = setu("directory", "publish", file, "--config", own.config, "--dry-run", "--json").json()
    assert (tried["published"], document_of(own)["version"]) == (False, 1)
    done = setu("directory", "publish", file, "--config", own.config, "--json").json()
    assert done == {"ok": True, "published": True, "version": 2, "changes": ["us-cbp: state"]}
    assert document_of(own) == json.loads(file.read_bytes())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda document: document | {"version": 1}, "directory-invalid", id="not-newer"),
        pytest.param(lambda document: document | {"mood": "good"}, "schema", id="a-member-too-many"),
        pytest.param(lambda document: document | {"agencies": []}, "directory-invalid", id="unsound"),
    ],
)
def test_what_may_not_be_published_changes_nothing(setu, own, write, change, code):
    before = {path.name: path.read_bytes() for path in (own.path / "directory").rglob("*.json")}
    said = setu("directory", "publish", write("d.json", change(suspended(document_of(own)))), "--config", own.config)
    assert said.status == 1
    assert said.err.startswith(f"{code}:")
    assert {path.name: path.read_bytes() for path in (own.path / "directory").rglob("*.json")} == before


def test_one_countrys_keys_cannot_publish(setu, own, write):
    for path in (own.path / "realm/keys").glob("targets-us-*.key"):
        path.unlink()
    said = setu("directory", "publish", write("d.json", suspended(document_of(own))), "--config", own.config)
    assert said.status == 1
    assert said.err.startswith("directory-invalid:")


def test_differences_name_who_joins_leaves_and_changes(made):
    document = document_of(made)
    first, second, *_ = document["agencies"]
    joined = second | {"id": "in-new", "keys": [], "certificates": []}
    changed = first | {"name": "Another", "mandates": ["border"]}
    before, after = (
        Directory.from_object(document | {"agencies": agencies}) for agencies in ([first, second], [changed, joined])
    )
    assert differences(before, after) == ["in-ncb: leaves", "in-new: joins", "in-setu: name, mandates"]
    assert differences(before, before) == []


def test_the_newest_metadata_counts(own, tmp_path):
    folder = tmp_path / "metadata"
    shutil.copytree(own.path / "directory/metadata", folder)
    for number in (9, 10):
        (folder / f"{number}.root.json").write_bytes(
            canonical({"signed": {"expires": f"20{number:02}-01-01T00:00:00Z"}})
        )
    assert expiries(tmp_path)["root"] == "2010-01-01T00:00:00Z"
