"""Intervals and tests agree with known values and with theory."""

import random
import statistics as std

import pytest

from tunewright.engine.prove.statistics import (
    bootstrap_interval,
    compare_binary,
    compare_means,
    mcnemar,
    sign_flip_test,
)


def test_bootstrap_of_a_proportion_agrees_with_the_binomial_it_samples():
    # 20 of 80: the resampled mean is Binomial(80, 1/4)/80, whose 2.5 % and 97.5 % points
    # are 13/80 and 28/80 (tables of the binomial distribution).
    interval = bootstrap_interval([1.0] * 20 + [0.0] * 60, seed=1)
    assert interval.mean == 0.25
    assert interval.low == pytest.approx(13 / 80, abs=0.013)
    assert interval.high == pytest.approx(28 / 80, abs=0.013)
    assert "bootstrap" in interval.method


def test_bootstrap_width_agrees_with_the_central_limit_theorem():
    rng = random.Random(3)
    values = [rng.random() for _ in range(400)]
    interval = bootstrap_interval(values, seed=1)
    half = 1.96 * std.pstdev(values) / 20
    assert interval.low == pytest.approx(interval.mean - half, abs=0.003)
    assert interval.high == pytest.approx(interval.mean + half, abs=0.003)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    rng = random.Random(0)
    values = [rng.random() for _ in range(10)] + [0.0, 1.0]
    assert bootstrap_interval(values, seed=7) == bootstrap_interval(values, seed=7)
    assert bootstrap_interval(values, seed=7) != bootstrap_interval(values, seed=8)


@pytest.mark.parametrize(("n", "far"), [(10, 0.3085), (64, 0.0560)])
def test_at_0_and_100_percent_the_exact_bound_replaces_the_bootstrap(n, far):
    # Clopper-Pearson 95 % for 0 of n: 1 - 0.025^(1/n)
    nothing = bootstrap_interval([0.0] * n, seed=1)
    everything = bootstrap_interval([1.0] * n, seed=1)
    assert (nothing.low, nothing.high) == (0.0, pytest.approx(far, abs=1e-4))
    assert (everything.low, everything.high) == (pytest.approx(1 - far, abs=1e-4), 1.0)
    assert "exact" in nothing.method


def test_equal_rows_between_the_bounds_do_not_claim_certainty():
    interval = bootstrap_interval([0.5] * 10, seed=1)
    assert interval.low < 0.5 < interval.high


def test_an_interval_needs_rows_within_its_bounds():
    with pytest.raises(ValueError, match="at least one row"):
        bootstrap_interval([], seed=1)
    with pytest.raises(ValueError, match="outside"):
        bootstrap_interval([1.5], seed=1)


def test_mcnemar_gives_the_binomial_tail():
    # 8 won, 2 lost: 2·(C(10,0)+C(10,1)+C(10,2))/2^10 = 112/1024
    before = [0] * 8 + [1] * 2 + [1] * 5
    after = [1] * 8 + [0] * 2 + [1] * 5
    assert mcnemar(before, after) == (8, 2, pytest.approx(112 / 1024))


def test_mcnemar_of_no_change_and_of_an_even_change_is_one():
    assert mcnemar([1, 0, 1], [1, 0, 1]) == (0, 0, 1.0)
    assert mcnemar([1, 0], [0, 1]) == (1, 1, 1.0)


def test_sign_flips_of_few_rows_are_counted_exactly():
    # Only +++++ and ----- reach |sum|: 2 of 32; a zero carries no information.
    assert sign_flip_test([0.1, 0.2, 0.3, 0.4, 0.5, 0.0], seed=1) == 2 / 32
    assert sign_flip_test([1.0, -1.0], seed=1) == 1.0
    assert sign_flip_test([0.0, 0.0], seed=1) == 1.0


def test_sign_flips_of_many_rows_agree_with_the_exact_binomial():
    # Equal magnitudes make the test binomial: 14 of 18 positive, two-sided 0.0309.
    p = sign_flip_test([1.0] * 14 + [-1.0] * 4, seed=5)
    assert p == pytest.approx(0.0309, abs=0.004)


def test_p_of_a_random_test_is_never_zero():
    assert sign_flip_test([1.0] * 60, seed=5, flips=1000) == pytest.approx(1 / 1001)


def test_false_alarms_come_at_their_stated_rate():
    rng = random.Random(11)
    alarms = 0
    for _ in range(200):
        before = [rng.randint(0, 1) for _ in range(40)]
        after = [rng.randint(0, 1) for _ in range(40)]
        alarms += mcnemar(before, after)[2] < 0.05
    assert alarms <= 17  # 5 % of 200 and three standard deviations; McNemar is conservative


def test_a_comparison_carries_difference_interval_and_test():
    binary = compare_binary([0] * 50, [1] * 45 + [0] * 5, seed=1)
    assert (binary.won, binary.lost) == (45, 0)
    assert binary.p_value == pytest.approx(2 / 2**45)
    assert binary.difference.mean == pytest.approx(0.9)
    assert 0.8 <= binary.difference.low < 0.9 < binary.difference.high <= 1.0
    means = compare_means([0.2, 0.4, 0.6, 0.5], [0.5, 0.9, 0.7, 0.5], seed=1)
    assert (means.won, means.lost) == (3, 0)
    assert means.p_value == pytest.approx(2 / 8)
    assert means.difference.mean == pytest.approx(0.225)


def test_unequal_rows_cannot_be_paired():
    with pytest.raises(ValueError, match="zip"):
        mcnemar([1, 0], [1])
