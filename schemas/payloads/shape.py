"""How a piece of text is checked: an ASCII pattern, then a check digit or code list. Refusals never quote the text."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Never

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MEMBER_ERROR = "setu_member"


@dataclass(frozen=True, slots=True)
class Shape:
    """Text of one form.

    pattern: what the whole text must match; ASCII, one spelling for one value.
    expected: what stands in a refusal, with an example: `a CAS number like 64-17-5`.
    check: says whether a text of this form is also right (check digit, code list).
    """

    pattern: str
    expected: str
    check: Callable[[str], bool] | None = None
    _whole: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_whole", re.compile(self.pattern))

    def validate(self, text: str) -> str:
        """Return the text, or raise ValueError saying what was expected and what to do."""
        if not text.isascii():
            raise ValueError(
                f"expected {self.expected}, found a character outside ASCII; "
                "letters of other scripts may look the same, so retype it"
            )
        if not self._whole.fullmatch(text):
            raise ValueError(f"expected {self.expected}, found another form; write it that way")
        if self.check is not None and not self.check(text):
            raise ValueError(f"expected {self.expected}, found one that does not exist; compare it with its source")
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "type": "string", "pattern": f"^(?:{self.pattern})$", "description": self.expected}


def wrong(member: str, message: str) -> Never:
    """Refuse a model because of one of its members, from a validator that sees them all.

    member: an RFC 6901 pointer relative to the model, without the first slash: `quantity/unit`.
    """
    raise PydanticCustomError(MEMBER_ERROR, "{expected}", {"expected": message, "member": member})
