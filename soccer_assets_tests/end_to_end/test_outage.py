"""An outage, as ``dagster dev`` lives through it: the real daemon, code server and runs."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from soccer_assets.clock import utc_now
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets_tests.end_to_end.shell import free_port, open_shell, wait_until

# By its settling, every day of the past is overdue: nobody has asked for it since it was played.
_FORGET = "UPDATE soccer.ingested_day SET checked_at = day"
_OVERDUE = "SELECT count(*) FROM soccer.ingested_day WHERE checked_at < day + 3"
_TAGGED = """
    SELECT count(*) FROM run_tags asked JOIN run_tags other USING (run_id)
    WHERE asked.key = 'soccer/asked_by' AND asked.value = 'catch_up'
      AND other.key = :key AND other.value = :value
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_days_lost_to_an_outage_come_in_when_the_feed_is_back_in_the_middle_of_the_tries() -> None:
    feed = FeedServer(LeagueSimulator(seed=20), port=free_port())
    with feed:
        variables = {"LIVESCORES_URL": feed.url, "LIVESCORES_ATTEMPTS": "1"}
    with open_shell(variables) as shell:
        today = utc_now().date()
        first, last = today - timedelta(days=9), today - timedelta(days=5)
        with feed:
            shell.run("soccer", "backfill", "--since", str(first), "--until", str(last))
        with shell.warehouse() as engine:

            def count(query: str, **values: str) -> int:
                with engine.connect() as connection:
                    return int(connection.scalar(sa.text(query), values) or 0)

            with engine.begin() as connection:
                connection.execute(sa.text(_FORGET))
            port = free_port()
            url = f"http://127.0.0.1:{port}/server_info"
            with shell.running("dagster", "dev", "-p", str(port), answers_at=url):
                wait_until(lambda: count(_TAGGED, key="soccer/retry", value="waits") == 1)
                assert count(_OVERDUE) > 0
                with feed:
                    wait_until(lambda: count(_OVERDUE) == 0)
                wait_until(lambda: count(_TAGGED, key="soccer/retry", value="tried again") == 1)
                assert count(_TAGGED, key="soccer/try", value="2") == 1
