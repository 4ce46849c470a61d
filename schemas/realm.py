"""The two files of a key ceremony: a holder's public keys, and a proposal that travels and gathers signatures.

They travel by any means, for nothing in them is secret and whatever was changed on the way is noticed.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.base import Country, Kid, Model
from schemas.directory import Directory
from schemas.packet import B64u

OPERATOR = "operator"


class ShareKey(Model):
    """A public key and the role it signs for; `public`: the raw bytes."""

    use: Annotated[
        str, StringConstraints(pattern=r"^(root|targets|snapshot|timestamp|deny|wrap-[a-z]{2}(-[a-z0-9]+)+)$")
    ]
    alg: Literal["Ed25519", "ML-DSA-65"]
    public: B64u


class ShareProof(Model):
    """A signature by one of the share's keys: its holder has the private half."""

    kid: Kid
    signature: B64u


class Share(Model):
    """The public halves of a country's six keys, or of the operator's two, each proven; with them the two, or the one,
    of its deny list, and the two that sign a gateway's wrap keys, where these are to have such keys. A country's share
    may be of its deny list's two alone: then its other keys stay as they are.
    """

    v: Literal["setu1.share"]
    holder: Country | Literal["operator"]
    keys: Annotated[tuple[ShareKey, ...], Field(min_length=2, max_length=8)]
    proofs: Annotated[tuple[ShareProof, ...], Field(min_length=2, max_length=8)]


class Proposal(Model):
    """What is to come into force: TUF metadata for root, for targets with the directory they name, or all.

    `root`, `targets`: metadata with whatever signatures were gathered, as objects.
    """

    v: Literal["setu1.proposal"]
    root: dict[str, Any] | None = None
    targets: dict[str, Any] | None = None
    directory: Directory | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.targets is None) != (self.directory is None):
            raise ValueError("expected targets metadata and the directory together, found one without the other")
        if self.root is None and self.targets is None:
            raise ValueError("expected root or targets metadata, found neither")
        return self
