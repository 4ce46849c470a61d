"""`setu rotate wrap`, `wrap-signers`, `server` and `guard`: what an operator does by one command."""

import json
import shutil

import pytest

from broker.assembly.wrap import kid_of
from broker.cli.deployment import create
from broker.cli.sharing import GUARD, Shared
from broker.cli.weighing import pair_fault
from broker.crypto.certificates import Authority, fingerprint, hosts_of, pem_to_der
from broker.directory.share import public_key, read_share
from tests.unit.crypto.signing import signed_server


def served(own):
    return fingerprint(pem_to_der((own.path / "tls/server.pem").read_bytes()))


def test_another_wrap_key_is_in_force_at_once(setu, own):
    before = {kid_of(path) for path in (own.path / "wrap").glob("*.key")}
    said = setu("rotate", "wrap", "--config", own.config, "--json").json()
    assert said["gateway"] == "in-setu"
    assert {kid_of(path) for path in (own.path / "wrap").glob("*.key")} == before | {said["kid"]}
    document = json.loads(setu("directory", "show", "--wrap-keys", "in-setu", "--config", own.config).out)
    assert [key["kid"] for key in document["keys"]] == [*before, said["kid"]]
    shown = setu("directory", "show", "--config", own.config, "--json").json()
    assert shown["wrap_keys"] == {"in-setu": document["keys"]}
    assert said["kid"] not in json.dumps(shown["directory"])


def test_for_people(setu, own):
    said = setu("rotate", "wrap", "--config", own.config)
    assert "In force: a new wrap key of in-setu, good until" in said.out
    assert "fingerprint" in said.out


def test_the_roles_keys_are_made_and_stand_in_the_operators_share(setu, own, tmp_path):
    keys = own.path / "realm/keys"
    for path in keys.glob("wrap-*.key"):
        path.unlink()
    made = setu("rotate", "wrap-signers", keys, "in-setu", "--json").json()
    assert [each["alg"] for each in made["keys"]] == ["Ed25519", "ML-DSA-65"]
    setu("realm", "share", "--keys", keys, "--out", tmp_path / "operator.json")
    share = read_share((tmp_path / "operator.json").read_bytes())
    assert {public_key(key).kid for key in share.keys if key.use == "wrap-in-setu"} == {
        each["kid"] for each in made["keys"]
    }


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda own: [path.unlink() for path in (own.path / "realm/keys").glob("wrap-*mldsa65.key")], id="one-of-the-roles-keys-is-gone"),
        pytest.param(lambda own: (own.path / "realm/keys/timestamp.key").unlink(), id="the-operators-keys-are-gone"),
    ],
)  # fmt: skip
def test_where_it_cannot_be_signed_nothing_changes(setu, own, harm):
    harm(own)
    before = setu("directory", "show", "--wrap-keys", "in-setu", "--config", own.config).out
    said = setu("rotate", "wrap", "--config", own.config)
    assert said.status == 1
    assert "what to do:" in said.err
    assert setu("directory", "show", "--wrap-keys", "in-setu", "--config", own.config).out == before


def test_a_gateway_without_such_keys_is_told(setu, own):
    said = setu("directory", "show", "--wrap-keys", "us-dea", "--config", own.config)
    assert (said.status, "found none of that name" in said.err) == (1, True)


def test_a_new_certificate_of_the_gateway(setu, own):
    before, config = served(own), ("--config", own.config)
    said = setu("rotate", "server", *config, "--ca", own.path / "ca/in", "--json").json()
    (row,) = said["certificates"]
    assert (row["for"], row["sha256"]) == ("server", served(own))
    assert served(own) != before
    assert set(row["hosts"]) == {"127.0.0.1", "localhost"}
    assert pair_fault(own.path / "tls/server.pem", own.path / "tls/server.key") is None


def test_by_an_authority_elsewhere(setu, own, tmp_path):
    config, request, issued = ("--config", own.config), tmp_path / "x.csr", tmp_path / "issued.pem"
    before = served(own)
    setu("rotate", "server", *config, "--request", request)
    assert served(own) == before
    authority = Authority.load(own.path / "ca/in/ca.pem", own.path / "ca/in/ca.key")
    issued.write_bytes(signed_server(authority, request.read_bytes(), own.now()))
    said = setu("rotate", "server", *config, "--certificate", issued, "--authority", own.path / "ca/in/ca.pem")
    assert "What is running takes it up within seconds." in said.out
    assert served(own) == fingerprint(pem_to_der(issued.read_bytes()))


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        pytest.param((), "one of --ca", id="nothing-said"),
        pytest.param(("--ca", "ca/in", "--request", "x.csr"), "one of --ca", id="two-ways"),
        pytest.param(("--certificate", "tls/server.pem"), "one of --ca", id="no-authority"),
        pytest.param(("--ca", "ca/us"), "does not verify", id="another-authority"),
        pytest.param(("--ca", "ca/in", "--which", "guard-client"), "there is no shared guard", id="no-guard"),
        pytest.param(("--ca", "policies"), "Expected a CA certificate", id="no-authority-there"),
    ],
)
def test_what_is_refused_changes_nothing(setu, own, words, fault):
    given = [own.path / word if (own.path / word).exists() else word for word in words]
    before = served(own)
    said = setu("rotate", "server", "--config", own.config, *given)
    assert said.status != 0
    assert fault in " ".join(said.err.split())
    assert served(own) == before


def test_the_guards_certificate_and_the_gateways_way_to_it(setu, tmp_path):
    shared = Shared("postgresql://setu@localhost/setu", 18001, 18002, 18003, further=(), readers=frozenset())
    made = create(tmp_path / "d", shared=shared)
    ca = ("--ca", made.path / "ca/in")
    said = setu("rotate", "server", "--config", made.config, *ca, "--json").json()
    assert [each["for"] for each in said["certificates"]] == ["server", "guard-client"]
    folder = made.path / GUARD
    before = (folder / "server.pem").read_bytes()
    said = setu("rotate", "guard", "--config", folder / "guard.toml", *ca, "--json").json()
    assert [each["for"] for each in said["certificates"]] == ["guard"]
    after = (folder / "server.pem").read_bytes()
    assert after != before
    assert set(hosts_of(pem_to_der(after))) == set(hosts_of(pem_to_der(before)))


def test_behind_a_proxy_that_ends_tls_the_certificate_is_the_proxys(setu, own):
    text = own.config.read_text("utf-8").replace(
        "[listen]", '[listen]\nidentity = "client-cert"\nsocket = "gateway.sock"'
    )
    own.config.write_text(text, "utf-8")
    said = setu("rotate", "server", "--config", own.config, "--ca", own.path / "ca/in", "--which", "server")
    assert (said.status, "the proxy's" in said.err) == (1, True)
    shutil.rmtree(own.path)
