#!/usr/bin/env python3
"""Writes scoring.json: figures and 95 % intervals from scipy and statsmodels, which the crate's own must equal.

Made with scipy 1.17.1 and statsmodels 0.15.0. Counts are given per value; shares and NPS come out in percent."""
import json
import pathlib

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint


def share(k, n):
    low, high = proportion_confint(k, n, alpha=0.05, method="wilson")
    return [100 * k / n, 100 * low, 100 * high]


def mean(counts):
    x = np.repeat([float(v) for v in counts], list(counts.values()))
    low, high = stats.t.interval(0.95, len(x) - 1, loc=x.mean(), scale=stats.sem(x)) if x.std() else (x[0], x[0])
    return [x.mean(), low, high]


def nps(counts):
    """Adjusted Wald: 3 answers more, 3/4 of one a promoter and 3/4 a detractor (Rocks 2016; Lewis and Sauro 2021)."""
    n = sum(counts.values())
    pro = sum(c for v, c in counts.items() if int(v) >= 9)
    det = sum(c for v, c in counts.items() if int(v) <= 6)
    p, d = (pro + 0.75) / (n + 3), (det + 0.75) / (n + 3)
    se = np.sqrt((p + d - (p - d) ** 2) / (n + 3))
    low, high = stats.norm.interval(0.95, loc=p - d, scale=se)
    return [100 * (pro - det) / n, 100 * max(low, -1), 100 * min(high, 1)]


def main():
    rng = np.random.default_rng(20261122)
    cases = {"share": [], "mean": [], "nps": []}
    for n in (5, 6, 7, 12, 30, 101, 1000, 250_000):
        for k in sorted({0, 1, n // 3, n // 2, n - 1, n}):
            cases["share"].append({"k": int(k), "n": int(n), "expect": share(k, n)})
        for weights in ([1, 1, 1, 1, 1], [8, 1, 1, 1, 1], [0, 0, 0, 1, 30]):
            drawn = rng.multinomial(n, np.array(weights) / sum(weights))
            counts = {str(i + 1): int(c) for i, c in enumerate(drawn) if c}
            cases["mean"].append({"counts": counts, "expect": list(map(float, mean(counts)))})
        for tilt in (0.0, 0.3, -0.6, 3.0):
            weights = np.exp(tilt * np.arange(11))
            drawn = rng.multinomial(n, weights / weights.sum())
            counts = {str(i): int(c) for i, c in enumerate(drawn) if c}
            cases["nps"].append({"counts": counts, "expect": list(map(float, nps(counts)))})
    text = json.dumps(cases, indent=None, separators=(",", ":")).replace("},{", "},\n{")
    (pathlib.Path(__file__).parent / "scoring.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
