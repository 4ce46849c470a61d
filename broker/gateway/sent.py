"""Says when an answer has left: a failpoint for tests of what a lost answer does."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send


def told_when_sent(app: ASGIApp, probe: Callable[[str], None]) -> ASGIApp:
    """Tells `probe` "receipt-sent" once the answer to a POST has been handed to the connection."""

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body") and scope["method"] == "POST":
                probe("receipt-sent")

        await app(scope, receive, sending)

    return told
