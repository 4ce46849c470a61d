"""A country's and the operator's keys in an HSM sign a realm's metadata as those in files do, and its deny list."""

from broker.cli.keyring import write_country_keys, write_deny_keys, write_operator_keys
from broker.crypto.keystore import KeyStore
from broker.crypto.place import Place
from broker.directory.deny import following
from broker.directory.tuf import LocalDirectory
from broker.directory.tuf_drafts import CountryKeys, RealmKeys
from broker.directory.tuf_repository import Operator, Repository
from broker.directory.tuf_signed import sign_target
from schemas.deny import Denial
from tests.builders import NOW
from tests.unit.directory.realm import Clock, document


def test_a_realm_whose_classical_keys_are_in_a_token(tmp_path, hsm):
    tokens = hsm.opened()
    keys = tmp_path / "keys"
    keys.mkdir()

    def token(alg, label):
        return tokens.generate(alg, Place("setu"), label)

    shares = {}
    for country in ("IND", "USA"):
        root, targets = write_country_keys(keys, country.lower(), token=token)
        shares[country] = (root, targets, write_deny_keys(keys, country, token=token))
    operator = Operator(*write_operator_keys(keys, token=token))
    # Read anew, by files that say where the keys are.
    read = list(KeyStore(tokens=lambda: tokens).keys_in(keys))
    assert sum("pkcs11" in key.stored() for _, key in read) == 2 * (2 + 1 + 1) + 2
    public = {
        country: CountryKeys(tuple(key.public for key in root), tuple(key.public for key in targets))
        for country, (root, targets, _) in shares.items()
    }
    deny = {f"deny-{country}": tuple(key.public for key in keys) for country, (_, _, keys) in shares.items()}
    repository = Repository(tmp_path / "realm", Clock())
    root = repository.create(
        RealmKeys(public, operator.snapshot.public, operator.timestamp.public, deny),
        document(),
        root_signers=[key for use, key in read if use == "root"],
        target_signers=[key for use, key in read if use == "targets"],
        operator=operator,
    )
    snapshot = LocalDirectory(tmp_path / "realm", root, Clock()).current()
    held = next(each for each in snapshot.lists if each.name == "IND")
    made = following(held, snapshot.signed, snapshot.realm, "IND", [Denial(agency="in-ncb", at=NOW)])
    signers = [key for use, key in read if use == "deny-IND"]
    repository.install(operator, delegated=[sign_target("deny-IND", made.canonical(), 1, signers, NOW)])
    (listed,) = (each for each in LocalDirectory(tmp_path / "realm", root, Clock()).current().lists if each.places)
    assert (listed.name, listed.places[-1].serial) == ("IND", 1)
