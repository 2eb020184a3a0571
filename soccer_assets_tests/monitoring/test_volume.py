import pytest

from soccer_assets.monitoring.volume import volume_gain


@pytest.mark.parametrize(
    ("now", "then", "enough"),
    [
        (100_000, 100_000, False),
        (101_999, 100_000, False),
        (102_000, 100_000, True),
        (10_499, 10_000, False),
        (10_500, 10_000, True),
        (500, 0, True),
        (0, 0, False),
        (90_000, 100_000, False),
    ],
)
def test_enough_by_share_and_by_rows(now, then, enough):
    assert volume_gain(now, then, min_share=0.02, min_rows=500).enough is enough


def test_figures():
    gain = volume_gain(1_030, 1_000, min_share=0.05, min_rows=10)
    assert (gain.gained, gain.required, gain.enough) == (30, 50, False)
    assert gain.share == pytest.approx(0.03)


def test_no_gain_is_never_enough():
    assert not volume_gain(10, 10, min_share=0, min_rows=0).enough


def test_negative_figures_are_refused():
    with pytest.raises(ValueError, match="negative"):
        volume_gain(-1, 0)
