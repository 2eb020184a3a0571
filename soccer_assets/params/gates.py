"""What may be set about the gates that a model passes."""

from pydantic import ConfigDict, Field

from soccer_assets.bounds import Count, Days, Draws, Number, Section


class GateParams(Section):
    """Settings of the gates, immutable; unknown keys raise ``pydantic.ValidationError``."""

    model_config = ConfigDict(frozen=True)

    draws: Draws = Field(default=2000, ge=100)
    """Bootstrap resamples."""
    seed: Count = Field(default=20, ge=0)
    confidence: Number = Field(default=0.95, gt=0, lt=1)
    """Of the interval beyond which a difference is not chance."""
    prior_probability: Number = Field(default=0.95, gt=0, lt=1)
    """How sure it must be that a champion beats the class prior."""
    min_probability: Number = Field(default=0.9, gt=0, lt=1)
    """How sure it must be that a new champion beats the current one, where its data are not newer."""
    non_inferiority_margin: Number = Field(default=0.001, gt=0)
    """Log-loss, nats, by which a new champion with newer data may be worse than the current one: less
    than the recipes that are compared differ by, and than a year without learning costs."""
    fresh_days: Days = Field(default=270, gt=0)
    """A challenger is judged on what was settled since the champion was made, and on so many of the
    latest days at least. Two fits of boosted trees, half a year apart, differ by .06 to .08 a match: with
    fewer of 34,000 matches a year, equals could not be told from what is worse by the margin."""
    min_fresh_rows: Count = Field(default=300, ge=2)
    """With fewer fresh matches, all that neither has learnt from are judged by."""
    min_newer_days: Days = Field(default=14, ge=0)
    """How much further its data must reach than the champion's to count as newer."""
    older_margin: Number = Field(default=0.002, ge=0)
    """Log-loss, nats, by which it must not be surely worse on the matches before the fresh ones."""
    max_champion_days: Days = Field(default=60, gt=0)
    """Where the champion's data are older by so many days, its successor needs but not to be surely
    worse: a gate that cannot tell the two apart does not stay shut. Half a year was too long: in a replayed
    season equals were refused nine times in a row for what 25,000 matches leave unclear."""
    choice_margin: Number = Field(default=0.0005, ge=0)
    """Log-loss, nats, by which a challenger may look surely worse on matches that the champion was chosen
    by. Among equals the choice favours the lucky one, by about the standard error of the difference: .0004
    where two fits of boosted trees differ by .06 a match on 24,000 of them. Without it four of nine equals
    were refused in a replayed season."""
    rollback_margin: Number = Field(default=0.001, ge=0)
    """Log-loss, nats, by which a champion must be worse than the one before it to be replaced by it."""
    rollback_e_value: Number = Field(default=20, gt=1)
    """Evidence for that, as an e-value: one champion in so many that are no worse is replaced."""
    ece_limit: Number = Field(default=0.02, gt=0)
    """Calibration error that a model may really have. Chance adds to what is measured, by much on
    few matches, so the measured error may be the root of the sum of the squares of the two."""
    ece_quantile: Number = Field(default=0.99, gt=0, lt=1)
    """Of the error that chance alone gives a calibrated model."""
    ece_draws: Draws = Field(default=200, ge=20)
    min_slice_rows: Count = Field(default=300, ge=1)
    """Smaller slices are not judged."""
    max_mean_probability: Number = Field(default=0.9, gt=0, lt=1)
    """Smoke: no outcome may be this likely in the mean over matches."""
    min_elo_rows: Count = Field(default=30, ge=3)
    """Smoke: with fewer rows of known Elo, a typical match is probed instead."""
