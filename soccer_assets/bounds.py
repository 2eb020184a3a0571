"""What a number of the parameters file may be: the same for every section.

A number that no use of it can bear is told where it is written, and not by a step that has run for an
hour, nor by a worker that does not start.
"""

import re
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Strict

T = TypeVar("T", bound=date)

#: As far from now as this, dates can still be computed with, in nanoseconds too; and nothing here means
#: anything beyond a century.
MOST_YEARS = 100
MOST_DAYS = 36_525
MOST_HOURS = MOST_DAYS * 24
MOST_MINUTES = MOST_HOURS * 60
#: A day waits no longer than a day for one answer.
MOST_SECONDS = 24 * 60 * 60
#: What libraries and the database count with.
MOST_COUNT = 2**31 - 1
#: Stands for "never" and "without limit" where somebody wants that; sums and squares of it are numbers.
MOST = 10**9
#: From the first rules of football on, as long as a moment can be counted in nanoseconds and more be added.
YEARS = range(1863, 2126)
#: Rounds of chance, or of a search: an hour each, or a place in memory.
MOST_DRAWS = 100_000


class Section(BaseModel):
    """A part of the parameters: an unknown key and a number that is none are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def _written(value: Any) -> Any:
    """A number would be read as seconds since 1970."""
    if isinstance(value, date) or (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value)):
        return value
    raise ValueError("Input should be a day like 2025-03-01")


def _of_football(value: T) -> T:
    if value.year not in YEARS:
        raise ValueError(f"Input should be of the years {YEARS[0]} to {YEARS[-1]}")
    return value


def _within(most: float) -> AfterValidator:
    """No ``Field(le=...)``, which would take the place of a closer bound of the field itself."""

    def check(value: float) -> float:
        if abs(value) > most:
            raise ValueError(f"Input should be no further from 0 than {most:,}")
        return value

    return AfterValidator(check)


# Strict: ``yes`` is no number of hours. A whole number is taken for any other, though.
Number = Annotated[float, Strict(), _within(MOST)]
Seconds = Annotated[float, Strict(), _within(MOST_SECONDS)]
Minutes = Annotated[float, Strict(), _within(MOST_MINUTES)]
Hours = Annotated[float, Strict(), _within(MOST_HOURS)]
Days = Annotated[float, Strict(), _within(MOST_DAYS)]
Count = Annotated[int, Strict(), _within(MOST_COUNT)]
Draws = Annotated[int, Strict(), _within(MOST_DRAWS)]
WholeMinutes = Annotated[int, Strict(), _within(MOST_MINUTES)]
WholeDays = Annotated[int, Strict(), _within(MOST_DAYS)]
#: Of a window that moves with the clock: a longer one would meet itself in the year before.
DaysOfYear = Annotated[int, Strict(), _within(366)]
Years = Annotated[int, Strict(), _within(MOST_YEARS)]
Day = Annotated[date, BeforeValidator(_written), AfterValidator(_of_football)]
Moment = Annotated[datetime, BeforeValidator(_written), AfterValidator(_of_football)]
