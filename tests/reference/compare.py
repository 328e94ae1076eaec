#!/usr/bin/env python3
"""Writes compare.json: differences, shrunk shares and chart limits from scipy, statsmodels and numpy, which the crate's
own must equal. Shares and NPS come out in percent."""
import json
import pathlib

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep


def share_difference(k1, n1, k2, n2):
    low, high = confint_proportions_2indep(k1, n1, k2, n2, compare="diff", method="newcomb", alpha=0.05)
    return [100 * (k1 / n1 - k2 / n2), 100 * low, 100 * high]


def mean_difference(a, b):
    test = stats.ttest_ind(a, b, equal_var=False)
    interval = test.confidence_interval(0.95)
    return [a.mean() - b.mean(), interval.low, interval.high]


def nps_difference(a, b):
    """Both sides adjusted by 3 answers, 3/4 of one a promoter and 3/4 a detractor; the variances add up."""
    raw, mid, var = [], [], []
    for x in (a, b):
        score = np.concatenate([np.where(x >= 9, 1.0, np.where(x <= 6, -1.0, 0.0)), [1.0, -1.0, 0.0]])
        weight = np.concatenate([np.ones(len(x)), [0.75, 0.75, 1.5]])
        middle = np.average(score, weights=weight)
        raw.append(score[: len(x)].mean())
        mid.append(middle)
        var.append(np.average((score - middle) ** 2, weights=weight) / weight.sum())
    low, high = stats.norm.interval(0.95, loc=mid[0] - mid[1], scale=np.sqrt(sum(var)))
    return [100 * (raw[0] - raw[1]), 100 * max(low, -2), 100 * min(high, 2)]


def shrink(shares):
    """Kleinman (1973) with w_i = n_i; the prior weighs at most as much as all answers, and each side at least 1/2."""
    k, n = np.array(shares, dtype=float).T
    w = n
    p = (w * k / n).sum() / w.sum()
    s = (w * (k / n - p) ** 2).sum()
    first = (w / n * (1 - w / w.sum())).sum()
    second = (w * (1 - w / w.sum())).sum()
    gamma = (s - p * (1 - p) * first) / (p * (1 - p) * (second - first))
    weight = min(max(1 / gamma - 1, 0), n.sum()) if gamma > 0 else n.sum()
    a, b = max(p * weight, 0.5), max((1 - p) * weight, 0.5)
    posterior = [stats.beta(a + x, b + m - x) for x, m in zip(k, n)]
    return [[100 * d.mean(), 100 * d.ppf(0.025), 100 * d.ppf(0.975)] for d in posterior]


def p_chart(weeks):
    k, n = np.array(weeks, dtype=float).T
    p = k.sum() / n.sum()
    half = 3 * np.sqrt(p * (1 - p) / n)
    return [[100 * x, 100 * lo, 100 * hi] for x, lo, hi in zip(k / n, np.maximum(p - half, 0), np.minimum(p + half, 1))]


def counts(x):
    return {str(int(v)): int(c) for v, c in zip(*np.unique(x, return_counts=True))}


def main():
    rng = np.random.default_rng(20261123)
    cases = {"share": [], "mean": [], "nps": [], "shrink": [], "p_chart": []}
    for n1 in (5, 12, 101, 40_000):
        for n2 in (5, 30, 2000):
            for k1, k2 in ((0, n2), (n1 // 3, n2 // 2), (n1, 1), (n1 - 1, n2 - 1)):
                expect = list(map(float, share_difference(k1, n1, k2, n2)))
                cases["share"].append({"a": [k1, n1], "b": [k2, n2], "expect": expect})
            a, b = rng.integers(1, 6, n1), rng.integers(2, 6, n2)
            cases["mean"].append({"a": counts(a), "b": counts(b), "expect": list(map(float, mean_difference(a, b)))})
            a, b = rng.integers(0, 11, n1), rng.integers(5, 11, n2)
            cases["nps"].append({"a": counts(a), "b": counts(b), "expect": list(map(float, nps_difference(a, b)))})
    for agents, spread in ((2, 30), (12, 8), (12, 1e6), (300, 20)):
        n = rng.integers(5, 120, agents)
        k = rng.binomial(n, rng.beta(0.7 * spread, 0.3 * spread, agents))
        shares = [[int(x), int(m)] for x, m in zip(k, n)]
        cases["shrink"].append({"shares": shares, "expect": shrink(shares)})
    for weeks in (3, 13):
        n = rng.integers(5, 200, weeks)
        shares = [[int(x), int(m)] for x, m in zip(rng.binomial(n, 0.8), n)]
        cases["p_chart"].append({"shares": shares, "expect": p_chart(shares)})
    text = json.dumps(cases, indent=None, separators=(",", ":")).replace("},{", "},\n{")
    (pathlib.Path(__file__).parent / "compare.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
