"""The certificates of Kafka's own clients, of which Kafka knows no more than the name."""

import pytest

from broker.assembly.topics import make_certificates
from broker.config import GatewayKafka
from broker.crypto.certificates import pem_to_der, uri_of
from broker.errors import IntegrityError
from schemas.problem import Code


def settings_of(made, folder, generation):
    kafka = GatewayKafka(bootstrap=("localhost:9094",), folder=folder, generation=generation)
    return made.gateway().model_copy(update={"kafka": kafka})


def test_a_new_generation_has_new_names_and_takes_the_place_of_none(made, tmp_path):
    folder = tmp_path / "kafka"
    assert make_certificates(settings_of(made, folder, 1), ("localhost",)) == ["node", "relay", "admin"]
    assert make_certificates(settings_of(made, folder, 1), ("localhost",)) == []
    with pytest.raises(
        IntegrityError, match=r"Expected relay.pem of generation 2, found one of generation 1"
    ) as raised:
        make_certificates(settings_of(made, folder, 2), ("localhost",))
    assert raised.value.code is Code.CONFIG_INVALID
    for name in ("relay", "admin"):
        for end in ("pem", "key"):
            (folder / f"{name}.{end}").unlink()
    assert make_certificates(settings_of(made, folder, 2), ("localhost",)) == ["relay", "admin"]
    assert uri_of(pem_to_der((folder / "relay.pem").read_bytes())) == "urn:setu:agency:relay:g2"
