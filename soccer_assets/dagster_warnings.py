"""What Dagster thinks of its own commands and features is for its maintainers to read."""

import warnings


def without_beta_warnings() -> None:
    """Leave it out, in this process: who uses a command can mend nothing of it."""
    warnings.filterwarnings("ignore", ".* is (superseded|currently in beta)")
