"""Rules as files: those that come with the broker, and those of a deployment's own folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from broker.errors import IntegrityError
from schemas.problem import Code

SCHEMA = "setu.cedarschema"
SUFFIX = ".cedar"


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """`rules`: file name -> Cedar text. `schema`: the Cedar schema's text."""

    rules: Mapping[str, str]
    schema: str


def default_rules() -> RuleFiles:
    """The rules this version of the broker comes with."""
    folder = files("broker.policy").joinpath("rules")
    return RuleFiles(
        {each.name: each.read_text("utf-8") for each in folder.iterdir() if each.name.endswith(SUFFIX)},
        folder.joinpath(SCHEMA).read_text("utf-8"),
    )


def rules_in(folder: Path) -> RuleFiles:
    """The `*.cedar` files of a folder, judged by the schema this version of the broker comes with.

    The schema is the broker's, not the folder's: it says what `broker.policy.request` fills in.

    Raises:
        IntegrityError: code `config-invalid`; no such folder, a file that is not UTF-8 text, or one of the broker's own
            files missing: each rule only forbids, so a lost file would release more.
    """
    try:
        texts = {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.name.endswith(SUFFIX)}
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else "a file that is not UTF-8"
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected a folder of readable UTF-8 *{SUFFIX} files at {folder}, found: {found}.",
            advice="Correct `policies` in the settings, or copy the realm's rules there.",
        ) from error
    own = default_rules()
    missing = sorted(set(own.rules) - set(texts))
    if missing:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected the release rules {', '.join(sorted(own.rules))} in the policy folder, found no {missing[0]}.",
            advice="Put the file back; a rule that is not wanted is taken out in its file, where it can be seen.",
        )
    return RuleFiles(texts, own.schema)
