"""A gateway's wrap keys, which change each day: what the role `wrap-<gateway>` of the directory's TUF repository signs.

What stands in `schemas/spec/directory.md` ("A gateway's wrap keys") is binding.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import AgencyId, Digest, Model
from schemas.directory import Key

MAX_KEYS = 64


class WrapKeys(Model):
    """The keys to which packets for this gateway are wrapped. They stand beside those of its row in the directory."""

    v: Literal["setu1.wrap-keys"] = "setu1.wrap-keys"
    realm: Digest
    gateway: AgencyId
    keys: Annotated[tuple[Key, ...], Field(max_length=MAX_KEYS)] = ()
