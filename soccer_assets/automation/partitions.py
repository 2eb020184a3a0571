"""Partitions with computed bounds: from the first day of interest to the last published fixture."""

import dagster as dg

from soccer_assets.params import read_params
from soccer_assets.settings import get_settings

#: Read as the code is loaded: the shape of the graph hangs on them.
INGESTION = read_params(get_settings().params_file).ingestion

#: One a day of the feed, up to the fixtures published ahead.
daily = dg.DailyPartitionsDefinition(
    start_date=INGESTION.first_day.isoformat(), end_offset=INGESTION.days_ahead + 1
)
#: One a month, up to the month of the last fixture.
monthly = dg.MonthlyPartitionsDefinition(
    start_date=INGESTION.first_day.replace(day=1).isoformat(), end_offset=2
)


def month_of(key: str) -> str:
    """The key of the month that a key of a day, or of a month, lies in."""
    return f"{key[:7]}-01"


def months_between(first: str, last: str) -> list[str]:
    """The keys of the months that a range of keys touches, both included."""
    start, end = month_of(first), month_of(last)
    years = range(int(start[:4]), int(end[:4]) + 1)
    keys = (f"{year}-{month:02}-01" for year in years for month in range(1, 13))
    return [key for key in keys if start <= key <= end]
