"""What the tests of the flows look at, in short."""


def clocks(gateway, sealed):
    found = gateway.reader.clocks(sealed.digest)
    return [(each.recipient, str(each.word), each.due, str(each.state)) for each in found]


def states(gateway, sealed):
    return {agency: str(state) for agency, state in gateway.reader.packet(sealed.digest).states.items()}


async def timeline(gateway, agency, sealed):
    """Types of the entries that an agency sees of a packet, and the states of its clocks."""
    found = await gateway.timelines.timeline(gateway.caller(agency), sealed.digest)
    return [str(each.entry.type) for each in found.items], [str(each.state) for each in found.clocks]


async def gone(gateway, agency="us-dea", kind="tip"):
    """For each place of a topic: why nothing is there, or the digest of what is."""
    page = await gateway.page(agency, kind)
    return [getattr(each, "gone", None) or each.digest for each in page.items]
