"""Features: no match sees a result that was not known at its kick-off, and serving sees what
training saw."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from soccer_assets.features.build import KEY_COLUMNS, build_features, build_on, feature_names
from soccer_assets.features.params import FeatureParams
from soccer_assets.features.registry import declared
from soccer_assets_tests.features.matches import (
    DELAY,
    START,
    Row,
    frames,
    histories,
    in_order,
    scores,
)
from soccer_assets_tests.features.plain import plain_features

DAY = 86_400
PARAMS = FeatureParams()
#: Everything that bounds or switches something does so within a few matches.
NERVOUS = FeatureParams.model_validate(
    {
        "ratings": {"elo_k": 37.0, "elo_home_advantage": -10.0, "pi_learning_rate": 0.2},
        "strength": {
            "main": "robust",
            "variants": {
                "robust": {"told_by": "chances", "max_surprise": 0.5, "max_goals": 2},
                "fast": {"volatility": 400, "break_volatility": 5},
            },
            "break_days": 0.3,
            "forgotten_days": 0.5,
            "league_variance": 0.3,
            "league_volatility": 5.0,
            "newcomer_matches": 2,
            "home_variance_floor": 0.99,
            "mean_rate": 0.3,
        },
        "league": {"memory_matches": 3, "prior_matches": 1},
        "market": {"is_used": True, "start_variance": 0.1, "volatility": 20},
    }
)
unhurried = settings(deadline=None, max_examples=25)


def built(rows: list[Row], params: FeatureParams = PARAMS) -> pd.DataFrame:
    return build_features(*frames(rows), params).set_index("match_id")


def same_bytes(ours: pd.DataFrame, theirs: pd.DataFrame) -> bool:
    """NaN included; which matches are finished is no feature."""
    names = feature_names(ours.reset_index())
    return (
        names == feature_names(theirs.reset_index())
        and ours.index.equals(theirs.index)
        and ours[names].to_numpy().tobytes() == theirs[names].to_numpy().tobytes()
    )


def plain(frame: pd.DataFrame, match_id: int) -> dict[str, float]:
    return {
        str(name): float(value)
        for name, value in frame.loc[match_id].items()
        if name not in KEY_COLUMNS
    }


# Point in time


@unhurried
@given(rows=histories(min_size=1), data=st.data())
def test_results_unknown_at_a_kickoff_change_nothing_in_its_features(
    rows: list[Row], data: st.DataObject
) -> None:
    """Of all that was unknown at a moment, results are changed, added and taken away, and matches
    after it come and go; every match up to that moment keeps its bytes."""
    now = data.draw(st.sampled_from([row.seconds for row in rows]), label="now")
    other = []
    for row in rows:
        if row.seconds > now - DELAY:
            row = Row(**{**vars(row), "score": data.draw(st.none() | scores)})
        if row.seconds <= now or data.draw(st.booleans(), label="kept"):
            other.append(row)
    later = data.draw(histories(max_size=5), label="new matches")
    known_ids = {row.match_id for row in rows}
    other += [
        Row(**{**vars(row), "seconds": now + 1 + row.seconds})
        for row in later
        if row.match_id not in known_ids
    ]
    judged = [row.match_id for row in in_order(rows) if row.seconds <= now]
    assert same_bytes(built(rows).loc[judged], built(other).loc[judged])


@unhurried
@given(rows=histories(min_size=1), data=st.data())
def test_a_fixture_has_the_features_it_will_be_trained_on(
    rows: list[Row], data: st.DataObject
) -> None:
    """Served before kick-off, with nothing known but what is; trained with all that came later."""
    match = data.draw(st.sampled_from(rows), label="match")
    result = match.score or (2, 1)
    served = [r if r.seconds <= match.seconds - DELAY else r.without_result() for r in rows]
    trained = [Row(**{**vars(r), "score": result}) if r is match else r for r in rows]
    before, after = built(served), built(trained)
    assert not before.loc[match.match_id, "is_finished"]
    assert after.loc[match.match_id, "is_finished"]
    assert same_bytes(before.loc[[match.match_id]], after.loc[[match.match_id]])


def test_a_result_known_at_the_kickoff_does_change_features() -> None:
    def second(score: tuple[int, int] | None, seconds: int) -> dict[str, float]:
        rows = [Row(1, 0, 1, 0, 1, score), Row(2, seconds, 1, 1, 0, None)]
        return plain(built(rows), 2)

    in_time = second((4, 0), DELAY)
    assert in_time["table_points_per_match_away"] == 3
    assert in_time["table_goal_difference_per_match_home"] == -4
    assert in_time["elo_away"] > 1500 > in_time["elo_home"]
    assert in_time["league_goals"] > np.float32(PARAMS.league.goals)
    assert in_time["attack_away"] > in_time["attack_home"]
    late = second((4, 0), DELAY - 1)
    assert np.isnan(late["table_points_per_match_away"])
    np.testing.assert_equal(late, second(None, DELAY - 1))


def test_a_match_cannot_be_made_to_see_its_own_result() -> None:
    with pytest.raises(ValidationError, match="result_delay_minutes"):
        FeatureParams(result_delay_minutes=0)
    soonest = PARAMS.model_copy(update={"result_delay_minutes": 1})
    alone = [Row(1, 0, 1, 0, 1, (5, 0)), Row(2, 0, 1, 2, 3, (5, 0))]
    assert built(alone, soonest)["table_rank_home"].isna().all()
    assert (built(alone, soonest)["elo_home"] == 1500).all()


@unhurried
@given(rows=histories(), seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(rows: list[Row], seed: int) -> None:
    finished, fixtures = frames(rows)
    expected = build_features(finished, fixtures, PARAMS)
    shuffled = build_features(
        finished.sample(frac=1, random_state=seed),
        fixtures.sample(frac=1, random_state=seed)[fixtures.columns[::-1]],
        PARAMS,
    )
    pd.testing.assert_frame_equal(expected, shuffled, check_exact=True)


@unhurried
@given(rows=histories(), shift=st.integers(1, 10**6))
def test_the_numbering_of_teams_and_leagues_does_not_matter(rows: list[Row], shift: int) -> None:
    renumbered = [
        Row(
            **{
                **vars(row),
                "home": shift - row.home,
                "away": shift - row.away,
                "tournament_id": row.tournament_id + 2 * shift,
            }
        )
        for row in rows
    ]
    assert same_bytes(built(rows), built(renumbered))


# Against the definitions


@unhurried
@given(rows=histories(min_size=1), params=st.sampled_from([PARAMS, NERVOUS]))
def test_features_agree_with_their_definitions_match_by_match(
    rows: list[Row], params: FeatureParams
) -> None:
    frame = built(rows, params)
    assert frame.index.tolist() == [row.match_id for row in in_order(rows)]
    for row in rows:
        expected = plain_features(rows, row, params)
        assert plain(frame, row.match_id) == pytest.approx(
            expected, rel=1e-5, abs=1e-6, nan_ok=True
        )


def test_features_agree_with_their_definitions_over_seasons() -> None:
    """Long enough for a competition to know its newcomers, and for teams to come back from breaks."""
    rng = np.random.default_rng(7)
    rows = []
    for k in range(150):
        home, away = rng.choice(7, 2, replace=False).tolist()
        kind = int(rng.choice([1, 1, 1, 2]))
        score = (int(rng.poisson(1.5)), int(rng.poisson(1.2)))
        told = tuple((float(rng.poisson(5)), float(rng.poisson(4))) for _ in range(3))
        rows.append(
            Row(
                k,
                k * DAY + 70 * DAY * (k // 50),
                kind,
                home,
                away,
                score,
                season=k // 50,
                is_neutral=kind == 2,
                statistics=told if kind == 1 else None,
            )
        )
    frame = built(rows)
    for row in rows[::7]:
        expected = plain_features(rows, row, PARAMS)
        assert plain(frame, row.match_id) == pytest.approx(
            expected, rel=1e-5, abs=1e-6, nan_ok=True
        )


# Going on from what was known


@unhurried
@given(rows=histories(min_size=2), data=st.data())
def test_going_on_from_a_moment_is_the_same_to_the_bit(
    rows: list[Row], data: st.DataObject
) -> None:
    """As if everything had been gone through from the beginning, and so is what is known later."""
    delay = PARAMS.result_delay_minutes * 60
    moments = sorted(
        data.draw(st.lists(st.integers(-10, 150), min_size=1, max_size=3, unique=True))
    )
    moments = [int(START.timestamp()) + moment * 1800 for moment in moments]
    finished, fixtures = frames(rows)
    whole = build_on(finished, fixtures, PARAMS, remember=moments)
    since = moments[0]
    kickoffs = {
        "finished": finished["kickoff"] >= pd.Timestamp(since - delay, unit="s", tz="UTC"),
        "fixtures": fixtures["kickoff"] >= pd.Timestamp(since, unit="s", tz="UTC"),
    }
    gone_on = build_on(
        finished[kickoffs["finished"]],
        fixtures[kickoffs["fixtures"]],
        PARAMS,
        memory=whole.memories[since],
        since=since,
        remember=moments[1:],
    )
    later = whole.features["kickoff"] >= pd.Timestamp(since, unit="s", tz="UTC")
    expected = whole.features[later].reset_index(drop=True)
    pd.testing.assert_frame_equal(gone_on.features, expected, check_exact=True)
    for moment in moments[1:]:
        ours, theirs = gone_on.memories[moment], whole.memories[moment]
        np.testing.assert_equal(ours.to_table().to_pydict(), theirs.to_table().to_pydict())


@unhurried
@given(rows=histories(min_size=2), data=st.data())
def test_fixtures_leave_no_trace_in_what_is_known(rows: list[Row], data: st.DataObject) -> None:
    moment = int(START.timestamp()) + data.draw(st.integers(0, 150)) * 1800
    finished, fixtures = frames(rows)
    with_them = build_on(finished, fixtures, PARAMS, remember=[moment]).memories[moment]
    without = build_on(finished, fixtures[:0], PARAMS, remember=[moment]).memories[moment]
    np.testing.assert_equal(with_them.to_table().to_pydict(), without.to_table().to_pydict())


# Shape


@unhurried
@given(rows=histories())
def test_features_are_float32_and_missing_only_without_history(rows: list[Row]) -> None:
    frame = build_features(*frames(rows), PARAMS)
    names = feature_names(frame)
    assert list(frame.columns) == KEY_COLUMNS + names
    assert (frame[names].dtypes == np.float32).all()
    assert frame["is_finished"].dtype == bool
    assert frame["kickoff"].dt.tz is not None
    assert not np.isinf(frame[names].to_numpy()).any()
    for feature in declared(PARAMS):
        assert feature.null or not frame[feature.name].isna().any()


def test_what_is_built_is_what_is_declared() -> None:
    for params in (PARAMS, NERVOUS):
        names = feature_names(built([Row(1, 0, 1, 0, 1, None)], params).reset_index())
        assert len(names) == len(set(names))
        assert names == [feature.name for feature in declared(params)]


def test_a_match_twice_is_refused_by_its_id() -> None:
    twice = [Row(7, 0, 1, 0, 1, (1, 0)), Row(7, DAY, 1, 0, 1, None), Row(8, 0, 1, 2, 3, None)]
    with pytest.raises(ValueError, match=r"matches twice among finished and fixtures: \[7\]"):
        built(twice)
    with pytest.raises(ValueError, match=r"\[7\]"):
        built([twice[0], twice[0]])


@pytest.mark.parametrize(
    "rows",
    [[], [Row(1, 0, 1, 0, 1, (1, 0))], [Row(1, 0, 1, 0, 1, None)]],
    ids=["nothing", "no fixture", "no result"],
)
def test_empty_inputs_keep_the_columns_and_their_types(rows: list[Row]) -> None:
    whole = [Row(1, 0, 1, 0, 1, (1, 0)), Row(2, 0, 1, 2, 3, None)]
    expected = build_features(*frames(whole), PARAMS)
    found = build_features(*frames(rows), PARAMS)
    assert len(found) == len(rows)
    assert found.dtypes.to_dict() == expected.dtypes.to_dict()


def test_a_history_from_before_1970_counts() -> None:
    long_ago = -80 * 365 * DAY
    assert START + pd.Timedelta(seconds=long_ago) < pd.Timestamp(0, tz="UTC")
    rows = [Row(1, long_ago, 1, 0, 1, (3, 0)), Row(2, long_ago + 5 * DAY, 1, 0, 1, None)]
    found = plain(built(rows), 2)
    assert found["table_points_per_match_home"] == 3
    assert found == pytest.approx(plain_features(rows, rows[1], PARAMS), rel=1e-5, nan_ok=True)
