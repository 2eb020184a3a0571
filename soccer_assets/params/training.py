"""What may be set about a training, and about each learner that a candidate may be."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import (
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from soccer_assets.bounds import Count, Days, Draws, Moment, Number, Section, WholeDays

#: Names runs, metrics and files.
CandidateName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class UnknownLearner(ValueError):
    """There is no learner of this name."""


class BadLearnerParams(ValueError):
    """A learner does not know a parameter, or not that value of it, or not the rows' weights."""


class Range(NamedTuple):
    """Where a parameter is searched, both ends included."""

    low: float
    high: float
    log: bool = False
    """Whether ratios count, and not differences."""


class LearnerParams(Section):
    """Parameters of a learner, immutable; an unknown one raises ``pydantic.ValidationError``."""

    model_config = ConfigDict(frozen=True)

    weighs_rows: ClassVar[bool] = True
    """Whether the learner can count some rows for more than others."""
    search_space: ClassVar[Mapping[str, Range]] = {}
    """Parameters that a search may change, and where it looks."""

    max_rows: Count = Field(default=10_000_000, ge=1)
    """Only so many of the latest rows are fitted."""


class LogisticParams(LearnerParams):
    """Parameters of the logistic regression."""

    search_space: ClassVar = {"C": Range(1e-5, 1.0, log=True)}

    C: Number = Field(default=1.0, gt=0)
    """Inverse strength of the ridge penalty."""
    max_iter: Count = Field(default=300, ge=1)
    max_rows: Count = Field(default=300_000, ge=1)
    """A linear model gains nothing from more."""


class BoostingParams(LearnerParams):
    """Parameters of the boosted trees, by their LightGBM names."""

    search_space: ClassVar = {
        "learning_rate": Range(0.03, 0.2, log=True),
        "num_leaves": Range(5, 63, log=True),
        "min_data_in_leaf": Range(20, 1000, log=True),
        "feature_fraction": Range(0.3, 1.0),
        "bagging_fraction": Range(0.5, 1.0),
        "lambda_l2": Range(0.1, 100.0, log=True),
    }

    learning_rate: Number = Field(default=0.05, gt=0)
    num_leaves: Count = Field(default=15, ge=2, le=131_072)
    max_depth: Count = Field(default=-1, ge=-1)
    min_data_in_leaf: Count = Field(default=200, ge=1)
    feature_fraction: Number = Field(default=0.6, gt=0, le=1)
    bagging_fraction: Number = Field(default=0.8, gt=0, le=1)
    bagging_freq: Count = Field(default=1, ge=0)
    lambda_l1: Number = Field(default=0.0, ge=0)
    lambda_l2: Number = Field(default=5.0, ge=0)
    max_bin: Count = Field(default=127, ge=2, le=65_535)
    rounds: Count = Field(default=800, ge=1)
    """At most this many boosting rounds (of three trees); walking forward finds how many."""
    early_stopping_rounds: Count = Field(default=60, ge=1)
    start_c: Number | None = Field(default=None, gt=0)
    """The trees begin at a logistic regression with this ``C``; null: at the shares of outcomes."""
    n_jobs: Count = Field(default=2, ge=1, le=1024)
    """Threads. More than there are idle cores is many times slower, as the threads spin."""
    max_rows: Count = Field(default=420_000, ge=1)


class DixonColesParams(LearnerParams):
    """Parameters of the score grids of Dixon & Coles: there are no others, all are fitted."""


#: Name -> parameters of every learner. What learns by them is in ``modelling.estimators``.
LEARNERS: dict[str, type[LearnerParams]] = {
    "logistic": LogisticParams,
    "boosting": BoostingParams,
    "dixon_coles": DixonColesParams,
}


def learner_params(learner: str, given: Mapping[str, Any] | None = None) -> LearnerParams:
    """The parameters of a learner; ``given`` override its defaults.

    Raises ``UnknownLearner`` or ``BadLearnerParams``, both ``ValueError``.
    """
    if learner not in LEARNERS:
        raise UnknownLearner(f"unknown learner {learner!r}, there are: {', '.join(LEARNERS)}")
    try:
        return LEARNERS[learner].model_validate(dict(given or {}))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
        raise BadLearnerParams(f"learner {learner!r}: {problems}") from error


def _default_candidates() -> dict[str, dict[str, Any]]:
    return {"logistic": {}, "boosting": {}}


class TrainingParams(Section):
    """Settings of one training, immutable.

    An unknown key, a value out of range and an unknown learner or parameter of one raise
    ``pydantic.ValidationError``, a ``ValueError``.
    """

    model_config = ConfigDict(frozen=True)

    seed: Count = Field(default=20, ge=0, lt=2**31)
    judge_days: WholeDays = Field(default=365, ge=1)
    """The recipe is judged on the matches of the latest days."""
    judge_from: Moment | None = None
    """Instead of a number of days: the judged matches kick off from this moment on (naive is UTC)."""
    judge_max_share: Number = Field(default=0.2, gt=0, lt=1)
    """Of all rows, which the judged ones are never more than: what a young history can spare."""
    folds: Count = Field(default=3, ge=1, le=100)
    """Blocks of time before the judged one, over which the candidates walk forward."""
    fold_days: WholeDays = Field(default=180, ge=1)
    """How long a block is."""
    walk_max_share: Number = Field(default=0.5, gt=0, lt=1)
    """Of the rows before the judged ones, which the blocks never hold more than."""
    walk_max_rows: Count = Field(default=300_000, ge=1)
    """Of the rows before a block, the latest that a candidate learns from while it walks: enough to be
    compared by and to find its size. What is judged and served has the ``max_rows`` of its learner."""
    candidates: dict[CandidateName, dict[str, Any]] = Field(
        default_factory=_default_candidates, min_length=1
    )
    """Name -> ``learner`` (if left out, the one of that name) and its parameters, from the simplest
    candidate to the most complex."""
    trials: Draws = Field(default=0, ge=0)
    """Of a search over the parameters of each candidate, of which the first are those given; 0: the
    parameters are taken as they are given."""
    half_life_days: Days | None = Field(default=2922, gt=0)
    """Age at which a row counts half as much as the newest; null: all count alike."""
    reference_max_rows: Count = Field(default=200_000, ge=1)
    """The reference profile is taken of at most so many of the latest rows."""
    min_rows: Count = Field(default=30, ge=1)
    """Every part of the timeline needs so many."""

    def learner(self, candidate: str) -> tuple[str, LearnerParams]:
        """The learner of a candidate and its parameters."""
        given = dict(self.candidates[candidate])
        learner = given.pop("learner", candidate)
        return learner, learner_params(learner, given)

    def with_learner(self, candidate: str, params: LearnerParams) -> Self:
        """The same with other parameters of a candidate's learner."""
        given = params.model_dump() | {"learner": self.learner(candidate)[0]}
        return self.model_copy(update={"candidates": self.candidates | {candidate: given}})

    @model_validator(mode="after")
    def _candidates_are_known(self) -> Self:
        for name in self.candidates:
            learner, params = self.learner(name)
            if self.half_life_days is not None and not params.weighs_rows:
                raise BadLearnerParams(
                    f"candidate {name!r}: {learner} cannot weigh rows by their age, "
                    "half_life_days must be null"
                )
        return self
