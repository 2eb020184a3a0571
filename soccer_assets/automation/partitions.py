"""Partitions with computed bounds: from the first day of interest to the last published fixture."""

from collections.abc import Iterable
from datetime import date
from math import ceil
from typing import Any

import dagster as dg

from soccer_assets.params import IngestionParams

#: Tags of a run over a range of partitions: the first one and the last.
FIRST_TAG, LAST_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
#: Days: so many ahead touch a month more.
SHORTEST_MONTH = 28


def daily(ingestion: IngestionParams) -> dg.DailyPartitionsDefinition:
    """One a day of the feed, up to the fixtures published ahead."""
    return dg.DailyPartitionsDefinition(
        start_date=ingestion.first_day.isoformat(), end_offset=ingestion.days_ahead + 1
    )


def monthly(ingestion: IngestionParams) -> dg.MonthlyPartitionsDefinition:
    """One a month, up to the month of the last fixture, and up to the next month at least."""
    ahead = max(1, ceil(ingestion.days_ahead / SHORTEST_MONTH))
    return dg.MonthlyPartitionsDefinition(
        start_date=ingestion.first_day.replace(day=1).isoformat(), end_offset=ahead + 1
    )


def first_and_last_day(ingestion: IngestionParams) -> tuple[date, date]:
    """Of the days that there are by now.

    Raises:
        SettingsError: the history begins later than that.
    """
    days = daily(ingestion)
    first, last = days.get_first_partition_key(), days.get_last_partition_key()
    if first is None or last is None:
        raise ingestion.is_to_come()
    return date.fromisoformat(first), date.fromisoformat(last)


def with_partitions(assets: Iterable[Any], ingestion: IngestionParams) -> list[Any]:
    """Give the assets the partitions of their group."""
    days, months = daily(ingestion), monthly(ingestion)
    of_group = {"ingestion": days, "warehouse": days, "lake": months}

    def with_those(spec: dg.AssetSpec) -> dg.AssetSpec:
        partitions = of_group.get(spec.group_name or "")
        return spec.replace_attributes(partitions_def=partitions) if partitions else spec

    return list(dg.map_asset_specs(with_those, assets))


def month_of(key: str) -> str:
    """The key of the month that a key of a day, or of a month, lies in."""
    return f"{key[:7]}-01"


def months_between(first: str, last: str) -> list[str]:
    """The keys of the months that a range of keys touches, both included."""
    start, end = month_of(first), month_of(last)
    years = range(int(start[:4]), int(end[:4]) + 1)
    keys = (f"{year}-{month:02}-01" for year in years for month in range(1, 13))
    return [key for key in keys if start <= key <= end]
