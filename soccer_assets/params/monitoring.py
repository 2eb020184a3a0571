"""What may be set about the watch over what is served; docs/monitoring.md shows what each margin costs."""

from typing import Self

from pydantic import Field, model_validator

from soccer_assets.bounds import Count, Days, DaysOfYear, Hours, Number, Section, WholeDays, Years


class DriftParams(Section):
    """From which values on a feature counts as drifted, chance allowed for."""

    psi: Number = Field(
        0.2, gt=0, description="of the bias-corrected PSI; 0.2 is the customary 'significant shift'"
    )
    wasserstein: Number = Field(
        0.5, gt=0, description="in reference standard deviations, on top of what chance explains"
    )
    missing_shift: Number = Field(
        0.1, gt=0, description="absolute change of the share of missing values"
    )
    min_rows: Count = Field(
        50, ge=1, description="known values of a feature, with fewer of which it is not judged"
    )
    max_share_drifted: Number = Field(
        0.3, gt=0, le=1, description="of the features: from it on, the whole set has drifted"
    )
    ignored: tuple[str, ...] = Field(
        (), description="features left out: a month always drifts in a window of a few weeks"
    )


class DecayParams(Section):
    """How much worse than promised settled predictions may become.

    A margin is what no retraining would repair: the promise is a mean over a year that is gone, with an
    error of its own, and leagues differ. It is large enough that an unharmed champion never meets it.
    """

    alarm: Number = Field(
        20, gt=1, description="e-value at which a test rings: false in 1 / alarm of champions"
    )
    elo_margin: Number = Field(
        0.002,
        ge=0,
        description="nats, of the loss against Elo's; a champion gains .007 to .013 on Elo",
    )
    promise_margin: Number = Field(
        0.02,
        ge=0,
        description="nats, of the loss itself: what is played changes it by .01 a season",
    )
    home_margin: Number = Field(
        0.008, ge=0, description="of home wins less predicted ones: it wanders by .005 a season"
    )
    market_margin: Number = Field(
        0.005, ge=0, description="nats, of the loss against that of the closing odds"
    )
    league_elo_margin: Number = Field(
        0.01, ge=0, description="nats, in a league: what it is worth there was not promised"
    )
    league_loss_margin: Number = Field(
        0.02, ge=0, description="nats, in a league: of the loss beyond what was predicted of it"
    )
    league_home_margin: Number = Field(0.03, ge=0, description="of home wins, in a league")
    begin_days: WholeDays = Field(
        30, ge=1, description="a part of the stake begins anew so often, to see what begins late"
    )
    home_begin_days: WholeDays = Field(
        3, ge=1, description="the same of home wins: swapped sides are to be seen within days"
    )


class ShiftParams(Section):
    """From when on what comes in is another world than the one that was learnt from."""

    window_days: DaysOfYear = Field(14, ge=1, description="of matches that are compared")
    min_matches: Count = Field(150, ge=1, description="in the window, to be compared")
    home_margin: Number = Field(0.04, gt=0, description="of the mean probability of a home win")
    entropy_margin: Number = Field(0.03, gt=0, description="nats, of the mean predicted entropy")
    quiet_days: DaysOfYear = Field(
        21, ge=1, description="without a match, though every former year had some, is silence"
    )
    ahead_days: DaysOfYear = Field(
        14, ge=0, description="ahead, in which it has no fixture either: a pause has some after it"
    )
    season_days: DaysOfYear = Field(
        35, ge=1, description="before the silence in which the league must have played"
    )
    former_years: Years = Field(
        5, ge=2, description="that must have had matches in the same days, all but the odd ones"
    )
    odd_years: Years = Field(
        1, ge=0, description="of them, that do not count: in 2020 nearly all leagues paused"
    )
    slack_days: DaysOfYear = Field(
        14, ge=0, description="by which a break may move from year to year"
    )
    usual_matches: Count = Field(8, ge=1, description="in those days of each former year, at least")
    volume_share: Number = Field(
        0.7, gt=0, lt=1, description="of the usual matches of a window, below which too few come in"
    )
    missing_margin: Number = Field(
        0.1, gt=0, lt=1, description="rise of the share of matches without odds, score, kick-off"
    )
    frozen_days: Days = Field(1.25, gt=0, description="without any result, though matches were due")
    frozen_matches: Count = Field(10, ge=1, description="due in them, to speak of a frozen feed")
    result_hours: Hours = Field(6, gt=0, description="after kick-off, by which a result is there")

    @model_validator(mode="after")
    def _a_year_is_left(self) -> Self:
        if self.odd_years >= self.former_years:
            raise ValueError(
                f"odd_years {self.odd_years} must be less than former_years {self.former_years}: "
                "there would be nothing to compare with"
            )
        return self


class MonitoringParams(Section):
    drift: DriftParams = DriftParams()
    decay: DecayParams = DecayParams()
    shift: ShiftParams = ShiftParams()
    volume_min_share: Number = Field(0.02, ge=0, description="matches gained since training")
    volume_min_rows: Count = Field(500, ge=0)
