"""Parameters of the features."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from soccer_assets.bounds import Days, Number, Section, WholeMinutes


class RatingParams(Section):
    elo_k: Number = Field(20.0, gt=0, description="Elo points a surprise is worth")
    elo_home_advantage: Number = Field(65.0, description="Elo points added to the home team")
    pi_learning_rate: Number = Field(0.06, gt=0, description="lambda of the pi-rating")
    pi_venue_transfer: Number = Field(0.6, ge=0, le=1, description="gamma of the pi-rating")


class ChancesParams(Section):
    """What is worth how many goals, where a source tells of it; goals alone where it does not."""

    goals: Number = Field(0.38, ge=0)
    shots: Number = Field(0.033, ge=0)
    shots_on_target: Number = Field(0.07, ge=0)
    corners: Number = Field(0.038, ge=0)


class StrengthVariant(Section):
    """One filter: what it is told of, and how it differs from the parameters that all share."""

    told_by: Literal["goals", "chances"] = "goals"
    volatility: Number = Field(1.0, gt=0, description="times what all share")
    break_volatility: Number = Field(1.0, ge=0, description="times what all share")
    max_surprise: Number = Field(7.5, gt=0, description="of (goals - rate) / rate")
    max_goals: Number = Field(99.0, gt=0, description="more goals count as these")


def _variants() -> dict[str, StrengthVariant]:
    return {"chances": StrengthVariant(told_by="chances")}


class StrengthParams(Section):
    """Of attack and defence, as logarithms of goals; see ``state_space``."""

    variants: dict[str, StrengthVariant] = Field(default_factory=_variants, min_length=1)
    main: str = Field("chances", description="the variant of which everything is told")
    volatility: Number = Field(0.0327, gt=0, description="variance a year")
    break_volatility: Number = Field(0.0155, ge=0, description="variance more after a break")
    break_days: Days = Field(64.0, gt=0, description="a break is longer than this")
    start_variance: Number = Field(
        0.0958, gt=0, description="of a newcomer; time makes it no larger than that"
    )
    dispersion: Number = Field(1.2, gt=0, description="of goals, times that of Poisson")
    chances_dispersion: Number = Field(
        0.36,
        gt=0,
        description="of chances where shots and corners are known, times that of Poisson",
    )
    home_variance: Number = Field(0.0173, gt=0, description="of a team's own home advantage")
    home_variance_floor: Number = Field(0.25, ge=0, le=1, description="times it; never less")
    start_level: Number = Field(0.2, description="of a competition")
    start_advantage: Number = Field(0.25, description="of a competition")
    start_attack: Number = Field(-0.01, description="of newcomers, against the competition's mean")
    start_defence: Number = Field(
        -0.268, description="of newcomers, against the competition's mean"
    )
    level_rate: Number = Field(0.048, gt=0, lt=1)
    advantage_rate: Number = Field(0.00168, gt=0, lt=1)
    league_variance: Number = Field(0.00714, ge=0, description="of the level of a new league")
    league_volatility: Number = Field(
        0.00009,
        ge=0,
        description="variance a year of a league's level, which matches between leagues tell of",
    )
    forgotten_days: Days = Field(
        400,
        gt=0,
        description="not seen for so long, a team gives its place among the states of its "
        "league up to a newcomer",
    )
    newcomer_rate: Number = Field(0.043, ge=0, lt=1)
    newcomer_matches: Number = Field(10, ge=0, description="so long a team tells of newcomers")
    mean_rate: Number = Field(0.0005, gt=0, lt=1)
    form_fast: Number = Field(0.2, gt=0, lt=1, description="what the latest match counts for")
    form_slow: Number = Field(0.05, gt=0, lt=1, description="what the latest match counts for")

    @field_validator("variants")
    @classmethod
    def _by_name(cls, variants: dict[str, StrengthVariant]) -> dict[str, StrengthVariant]:
        """DVC takes parameters in another order for the same, so features must be the same."""
        return dict(sorted(variants.items()))

    @model_validator(mode="after")
    def _main_is_there(self) -> Self:
        if self.main not in self.variants:
            raise ValueError(f"main: there is no variant {self.main!r}")
        return self


class LeagueParams(Section):
    memory_matches: Number = Field(400, ge=1, description="matches that averages reach back")
    prior_matches: Number = Field(50, ge=0, description="weight of the averages of all football")
    home_wins: Number = Field(0.45, ge=0, le=1)
    draws: Number = Field(0.26, ge=0, le=1)
    goals: Number = Field(2.65, ge=0)


class MarketParams(Section):
    """Of the market's past views of teams, in log odds; see ``market``."""

    is_used: bool = Field(False, description="an option, for those who hold odds")
    volatility: Number = Field(0.2, gt=0, description="variance of a strength a year")
    noise: Number = Field(0.06, gt=0, description="variance of what odds say of it")
    start_variance: Number = Field(1.0, gt=0, description="of a strength that is not known")
    draws_volatility: Number = Field(
        0.003, gt=0, description="variance of the bent for draws a year"
    )
    draws_noise: Number = Field(0.03, gt=0, description="variance of what odds say of it")
    draws_start_variance: Number = Field(0.02, gt=0, description="of a bent that is not known")
    competition_rate: Number = Field(0.01, gt=0, lt=1)


class FeatureParams(Section):
    result_delay_minutes: WholeMinutes = Field(
        180,
        ge=1,
        le=14 * 24 * 60,
        description="after kick-off, when a result counts as known; never at it",
    )
    ratings: RatingParams = RatingParams()
    chances: ChancesParams = ChancesParams()
    strength: StrengthParams = StrengthParams()
    league: LeagueParams = LeagueParams()
    market: MarketParams = MarketParams()
