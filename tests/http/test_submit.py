from tests.fakes.flows import RECEIPT, Fakes
from tests.http.harness import Pki, gateway, post


def test_a_packet_gets_201_with_its_receipt_and_200_with_the_same_the_second_time(pki: Pki) -> None:
    fakes = Fakes()
    us = pki.agency("us-dea")
    fakes.identify.enrol(us.der, "us-dea")
    with gateway(pki, fakes.services()) as running:
        context = pki.context(us)
        answers = [running.wire.ask(context, post(b'{"a":1}')) for _ in range(2)]
    assert [each.status for each in answers if each] == [201, 200]
    assert {each.body for each in answers if each} == {RECEIPT.canonical()}
