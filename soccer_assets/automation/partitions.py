"""Partitions with computed bounds: from the first day of interest to the last published fixture."""

import dagster as dg

from soccer_assets.params import load_params

_ingestion = load_params().ingestion

#: One a day of the feed, up to the fixtures published ahead.
daily = dg.DailyPartitionsDefinition(
    start_date=_ingestion.first_day.isoformat(), end_offset=_ingestion.days_ahead + 1
)
#: One a month, up to the month of the last fixture.
monthly = dg.MonthlyPartitionsDefinition(
    start_date=_ingestion.first_day.replace(day=1).isoformat(), end_offset=2
)
