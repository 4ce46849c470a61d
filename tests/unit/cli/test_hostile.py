"""The demonstration's forgeries are real: plain AES-GCM is fooled, Setu is not."""

import pytest

from broker.cli.hostile import CLOSED, RAID, tampered, two_texts
from broker.envelope.open import open_packet
from broker.envelope.verify import check_signatures, parse
from broker.errors import MalformedError, PacketError
from schemas.problem import Code
from tests.builders import Realm


def two_text_packet(realm):
    members = (realm.members["in-setu"], realm.members["us-dea"])
    honest = realm.sealed("in-ncb", ["in-setu", "us-dea"], "tip", b"{}")
    return two_texts(honest.header, [each.wrap.public for each in members], realm.members["in-ncb"].sign)


def test_plain_aes_gcm_reads_two_texts_of_one_ciphertext():
    _, (gateway, recipient) = two_text_packet(Realm())
    assert CLOSED in gateway
    assert RAID in recipient


@pytest.mark.parametrize("reader", ["in-setu", "us-dea"])
def test_a_packet_of_two_texts_is_well_signed_and_opens_for_nobody(reader):
    realm = Realm()
    raw, _ = two_text_packet(realm)
    parsed = parse(raw)
    check_signatures(parsed, realm.signing_key("in-ncb"))
    with pytest.raises(PacketError) as caught:
        open_packet(parsed, reader, realm.members[reader].keys)
    assert caught.value.code is Code.COMMITMENT_MISMATCH


def test_one_changed_bit_of_the_ciphertext_breaks_the_manifest():
    sealed = Realm().sealed("in-ncb", ["in-setu", "us-dea"], "tip", b"{}")
    assert parse(sealed.raw).digest == sealed.digest
    with pytest.raises(MalformedError) as caught:
        parse(tampered(sealed.raw))
    assert caught.value.code is Code.ENVELOPE_INVALID
