"""Odds of a row, and the probabilities they imply."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from soccer_assets.ingestion.odds import Odds, implied_probabilities, match_odds

prices = st.floats(1.001, 500)


def triple(code: str, *values: object) -> dict[str, str]:
    return {f"{code}{outcome}": str(v) for outcome, v in zip("HDA", values, strict=True)}


def test_pre_match_and_closing_odds_of_every_bookmaker() -> None:
    cells = {"Div": "E0", "FTHG": "1", "HS": "9", "AS": "9", "HC": "3", "AC": "4"}
    for code in ("B365", "VC", "1XB", "PSC", "VCC", "BFEC", "MaxC", "Avg", "CL", "CLC"):
        cells |= triple(code, 1.9, 3.5, 4.2)
    assert [(odds.bookmaker, odds.when) for odds in match_odds(cells)] == [
        ("B365", "pre"),
        ("VC", "pre"),
        ("1XB", "pre"),
        ("PS", "closing"),
        ("VC", "closing"),
        ("BFE", "closing"),
        ("Max", "closing"),
        ("Avg", "pre"),
        ("CL", "pre"),
        ("CL", "closing"),
    ]
    assert match_odds(triple("B365C", " 1.9", "3.50", "4")) == [
        Odds("B365", "closing", 1.9, 3.5, 4.0, "1x2")
    ]


def test_names_of_old_files_are_those_of_today() -> None:
    cells = triple("BbMx", 2, 3, 4) | triple("BbAv", 2, 3, 4) | triple("P", 2, 3, 4)
    assert [odds.bookmaker for odds in match_odds(cells)] == ["Max", "Avg", "PS"]
    cells |= triple("PS", 5, 6, 7)
    assert match_odds(cells)[-1] == Odds("PS", "pre", 2, 3, 4)
    assert len(match_odds(cells)) == 3


def test_handicaps_and_totals_are_not_1x2_odds() -> None:
    columns = ["B365>2.5", "B365<2.5", "AHh", "B365AHH", "B365AHA", "PAHH", "PAHA", "AvgCAHH"]
    columns += ["AvgCAHA", "BbMx>2.5", "BbAHh", "BbMxAHH", "BbMxAHA", "PC>2.5", "H", "D", "A"]
    assert match_odds(dict.fromkeys(columns, "1.9")) == []


@pytest.mark.parametrize("bad", ["", "0", "0.99", "-2", "nan", "inf", "evens", "1,9"])
def test_a_triple_with_a_bad_price_is_left_out(bad: str) -> None:
    for outcome in "HDA":
        cells = triple("PS", 2, 3, 4) | triple("Avg", 2, 3, 4)
        cells[f"PS{outcome}"] = bad
        assert [odds.bookmaker for odds in match_odds(cells)] == ["Avg"]


def test_the_price_that_is_none_is_told_and_an_empty_one_is_not() -> None:
    told: list[str] = []
    match_odds(triple("PS", 2, "evens", 4) | triple("Avg", "", 3, 0), told.append)
    assert told == ["PSD 'evens' are no odds (1 or more)", "AvgA '0' are no odds (1 or more)"]


def test_a_triple_without_one_of_its_columns_is_left_out() -> None:
    for outcome in "HDA":
        cells = triple("PS", 2, 3, 4)
        del cells[f"PS{outcome}"]
        assert match_odds(cells) == []


# Probabilities


@given(st.lists(prices, min_size=2, max_size=5), st.sampled_from(["power", "proportional"]))
def test_probabilities_sum_to_one_and_keep_the_order(odds: list[float], method: str) -> None:
    probabilities = implied_probabilities(odds, method)  # type: ignore[arg-type]
    assert probabilities.sum() == pytest.approx(1)
    assert (probabilities >= 0).all()
    by_price = probabilities[np.argsort(odds)]
    assert (np.diff(by_price) <= 1e-12).all()


@given(st.lists(st.floats(0.02, 1), min_size=3, max_size=3), st.floats(0.5, 2))
def test_the_power_method_undoes_a_margin_put_on_as_a_power(
    weights: list[float], exponent: float
) -> None:
    truth = np.array(weights) / sum(weights)
    odds = truth**-exponent
    assume((odds > 1.0001).all())
    assert implied_probabilities(odds) == pytest.approx(truth, abs=1e-6)


@given(st.lists(prices, min_size=3, max_size=3))
def test_the_exponent_is_that_of_one_equation(odds: list[float]) -> None:
    probabilities = implied_probabilities(odds)
    assume((probabilities > 1e-12).all())
    exponents = np.log(probabilities) / -np.log(odds)
    assert exponents == pytest.approx(np.full(3, exponents[0]), rel=1e-6)


def test_fair_odds_are_taken_as_they_are() -> None:
    for method in ("power", "proportional"):
        assert implied_probabilities([2, 4, 4], method) == pytest.approx([0.5, 0.25, 0.25])


def test_a_known_example_takes_more_off_the_outsider() -> None:
    odds = [1.25, 6.5, 12.0]
    power, proportional = implied_probabilities(odds), implied_probabilities(odds, "proportional")
    assert power[0] > proportional[0]
    assert power[2] < proportional[2]


def test_rows_are_solved_one_by_one_and_nan_stays_nan() -> None:
    odds = np.array([[2, 3.4, 3.8], [np.nan, 3, 4], [1.0, 51, 67], [1.0, 1.0, 5]])
    together = implied_probabilities(odds)
    assert together[0] == pytest.approx(implied_probabilities(odds[0]))
    assert np.isnan(together[1]).all()
    assert together[2] == pytest.approx([1, 0, 0], abs=1e-9)
    assert together[3] == pytest.approx([0.5, 0.5, 0], abs=1e-9)
    assert implied_probabilities(np.empty((0, 3))).shape == (0, 3)


def test_odds_below_one_and_unknown_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        implied_probabilities([0.9, 3, 4])
    with pytest.raises(ValueError, match="unknown method 'magic'"):
        implied_probabilities([2, 3, 4], "magic")  # type: ignore[arg-type]
