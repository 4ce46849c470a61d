"""The release policy, from a folder of rules."""

from pathlib import Path

from broker.policy.cedar import CedarPolicy
from broker.policy.load import rules_in


def policy_in(folder: Path) -> CedarPolicy:
    """Raises IntegrityError (code `config-invalid`), naming the file and the fault."""
    found = rules_in(folder)
    return CedarPolicy(found.rules, found.schema)
