"""Acknowledgements: a recipient's signed word that it has received, opened or rejected a packet."""

from starlette.requests import Request
from starlette.responses import Response

from broker.gateway.exchange import exchange_of, receipt_answer


async def acknowledge(request: Request) -> Response:
    """201 and the entry's receipt; 200 and the same receipt for the same acknowledgement again."""
    exchange = exchange_of(request)
    raw = await exchange.body.read()
    return receipt_answer(await exchange.services.acknowledge(exchange.caller, raw, exchange.trace))
