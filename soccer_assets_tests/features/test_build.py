"""Features: no match sees a result that was not known at its kick-off, and serving sees what
training saw."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from soccer_assets.features.build import (
    KEY_COLUMNS,
    LEAGUE_PRIOR,
    MAX_REST_DAYS,
    build_features,
    feature_names,
)
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

DAY = 86_400
PARAMS = FeatureParams(form_windows=[2, 4], venue_window=2, league_window=6, league_prior_matches=3)
unhurried = settings(deadline=None, max_examples=40)


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
    assert in_time["away_points_last2"] == 3
    assert in_time["home_conceded_last4"] == 4
    assert in_time["elo_away"] > 1500 > in_time["elo_home"]
    assert in_time["league_goals"] > np.float32(LEAGUE_PRIOR["goals"])
    late = second((4, 0), DELAY - 1)
    assert np.isnan(late["away_points_last2"])
    np.testing.assert_equal(late, second(None, DELAY - 1))


def test_a_match_cannot_be_made_to_see_its_own_result() -> None:
    with pytest.raises(ValidationError, match="result_delay_minutes"):
        FeatureParams(result_delay_minutes=0)
    soonest = PARAMS.model_copy(update={"result_delay_minutes": 1})
    alone = [Row(1, 0, 1, 0, 1, (5, 0)), Row(2, 0, 1, 2, 3, (5, 0))]
    assert built(alone, soonest)["home_points_last2"].isna().all()
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


# Against a plain reading of the log


@unhurried
@given(rows=histories())
@example(
    rows=[
        Row(1, 10800, 0, 0, 1, (0, 0)),
        Row(2, 0, 0, 0, 1, (0, 1)),
        Row(3, 0, 0, 1, 2, (0, 0)),
        Row(4, 0, 0, 0, 1, (0, 0)),
    ]
)
def test_form_rest_and_league_agree_with_a_plain_reading(rows: list[Row]) -> None:
    frame = built(rows)
    assert frame.index.tolist() == [row.match_id for row in in_order(rows)]
    for row in rows:
        known = [one for one in in_order(rows) if one.score and one.seconds <= row.seconds - DELAY]
        found = plain(frame, row.match_id)
        for side, team in (("home", row.home), ("away", row.away)):
            games = sorted(
                (one for one in known if team in (one.home, one.away)),
                # A team that plays twice at one moment: its home match counts as the earlier.
                key=lambda one: (one.seconds, one.away == team, one.match_id),
            )
            here = [one for one in games if team == getattr(one, side)]
            expected = {
                **form(team, games[-2:], f"{side}_{{}}_last2"),
                **form(team, games[-4:], f"{side}_{{}}_last4"),
                **form(team, here[-2:], f"{side}_{{}}_venue2"),
                f"{side}_experience": np.log1p(len(games)),
                f"{side}_rest_days": (row.seconds - games[-1].seconds) / DAY if games else np.nan,
            }
            assert {name: found[name] for name in expected} == pytest.approx(
                expected, rel=1e-6, nan_ok=True
            )
        recent = [one.score for one in known if one.tournament_id == row.tournament_id][-6:]
        totals = {
            "home_wins": sum(h > a for h, a in recent),
            "draws": sum(h == a for h, a in recent),
            "goals": sum(h + a for h, a in recent),
        }
        for name, total in totals.items():
            shrunk = (total + 3 * LEAGUE_PRIOR[name]) / (len(recent) + 3)
            assert found[f"league_{name}"] == pytest.approx(shrunk, rel=1e-6)
        assert found["women"] == row.tournament_id % 2


def form(team: int, games: list[Row], name: str) -> dict[str, float]:
    results = [one.score if team == one.home else one.score[::-1] for one in games if one.score]
    points = [3 if ours > theirs else int(ours == theirs) for ours, theirs in results]
    columns = {
        "points": points,
        "scored": [ours for ours, _ in results],
        "conceded": [theirs for _, theirs in results],
    }
    return {
        name.format(what): float(np.mean(values)) if values else float("nan")
        for what, values in columns.items()
    }


def test_form_rest_and_league_by_hand() -> None:
    rows = [
        Row(1, 0 * DAY, 2, 0, 1, (2, 1)),
        Row(2, 3 * DAY, 2, 2, 0, (0, 0)),
        Row(3, 7 * DAY, 2, 0, 2, (1, 4)),
        Row(4, 9 * DAY + DAY // 2, 2, 0, 1, None),
        Row(5, 60 * DAY, 2, 1, 0, None),
    ]
    frame = built(rows)
    found = plain(frame, 4)
    assert found["home_points_last2"] == pytest.approx((1 + 0) / 2)
    assert found["home_points_last4"] == pytest.approx((3 + 1 + 0) / 3)
    assert found["home_scored_last4"] == pytest.approx((2 + 0 + 1) / 3)
    assert found["home_conceded_last4"] == pytest.approx((1 + 0 + 4) / 3)
    assert found["home_points_venue2"] == pytest.approx((3 + 0) / 2)
    assert found["away_points_venue2"] == 0  # its one defeat, away
    assert found["home_rest_days"] == 2.5
    assert found["away_rest_days"] == 9.5
    assert found["league_home_wins"] == pytest.approx((1 + 3 * 0.45) / 6)
    assert found["league_draws"] == pytest.approx((1 + 3 * 0.26) / 6)
    assert found["league_goals"] == pytest.approx((8 + 3 * 2.65) / 6)
    assert plain(frame, 5)["away_rest_days"] == MAX_REST_DAYS
    assert np.isnan(plain(frame, 5)["home_points_venue2"])  # never at home before
    assert plain(frame, 1)["league_goals"] == pytest.approx(2.65)


def test_experience_grows_with_matches_and_then_no_more() -> None:
    rows = [Row(k, k * DAY, 1, 0, 1, (1, 1)) for k in range(1, 81)]
    experience = built(rows)["home_experience"]
    assert experience.iloc[:3].tolist() == pytest.approx(np.log([1, 2, 3]).tolist())
    assert experience.is_monotonic_increasing
    assert experience.iloc[-20:].nunique() == 1


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
    for side in ("home", "away"):
        unknown = frame[f"{side}_experience"] == 0
        for name in names:
            if name.startswith((f"{side}_points_last", f"{side}_rest")):
                assert (frame[name].isna() == unknown).all()
            elif name.startswith(f"{side}_points_venue"):
                assert frame.loc[unknown, name].isna().all()
    always = [n for n in names if n.startswith(("elo", "pi", "goals", "league", "women"))]
    assert len(always) == 13
    assert not frame[always].isna().any().any()


@given(
    windows=st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True),
    venue=st.integers(1, 50),
)
def test_what_is_built_is_what_is_declared(windows: list[int], venue: int) -> None:
    params = FeatureParams(form_windows=windows, venue_window=venue)
    names = feature_names(built([Row(1, 0, 1, 0, 1, None)], params).reset_index())
    assert len(names) == len(set(names)) == 6 * len(windows) + 6 + 4 + 9 + 3 + 1
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
    assert found["home_points_last2"] == 3
    assert found["home_rest_days"] == 5
    assert found["league_home_wins"] == pytest.approx((1 + 3 * 0.45) / 4)
