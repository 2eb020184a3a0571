"""What a gate decides of a model, and why."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Criterion:
    """One question a gate asks."""

    name: str
    passed: bool
    observed: float | None
    """None when there was nothing to measure."""
    required: str
    """In words, such as '<= 0.02'."""
    explanation: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        known = self.observed is not None and math.isfinite(self.observed)
        return {
            "name": self.name,
            "passed": self.passed,
            "observed": self.observed if known else None,
            "required": self.required,
            "explanation": self.explanation,
        }


@dataclass(frozen=True)
class Verdict:
    """What a gate decided and why."""

    gate: str
    reasons: tuple[Criterion, ...]

    @property
    def passed(self) -> bool:
        """Whether every criterion is met."""
        return all(criterion.passed for criterion in self.reasons)

    @property
    def failures(self) -> tuple[Criterion, ...]:
        """The criteria that are not met."""
        return tuple(criterion for criterion in self.reasons if not criterion.passed)

    @classmethod
    def from_dict(cls, recorded: Any) -> "Verdict":
        """What ``as_dict`` gave. Raises ``LookupError`` or ``TypeError`` on anything else."""
        return cls(recorded["gate"], tuple(Criterion(**one) for one in recorded["reasons"]))

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "gate": self.gate,
            "passed": self.passed,
            "reasons": [criterion.as_dict() for criterion in self.reasons],
        }

    def summary(self) -> str:
        """One line: the gate, whether it passed, and each unmet criterion with its figures."""
        if self.passed:
            return f"{self.gate} gate passed ({len(self.reasons)} criteria)"
        unmet = "; ".join(
            f"{criterion.name} {_figure(criterion.observed)} (required {criterion.required})"
            for criterion in self.failures
        )
        return f"{self.gate} gate failed: {unmet}"


def _figure(value: float | None) -> str:
    return "unmeasured" if value is None else f"{value:.4g}"
