"""Fit BG/NBD and Gamma-Gamma to the customers of a file, predict all of them, and tell seconds and figures as JSON.

`python script_lifetimes.py MODELLER FILE`: MODELLER is ours, lifetimes (a row per customer), lifetimes_grouped (equal
rows counted once) or pymc_map; FILE is an npz of frequency, recency, T and monetary_value. Predicted are P(alive),
expected orders in 365 days and the expected order value; `ours` predicts values and intervals as well.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

Columns = dict[str, Any]
DAYS = 365.0


def ours(data: Columns) -> Columns:
    from cxa_pipeline.models import lifetime
    from cxa_pipeline.models.lifetime_value import Terms, predict

    x, t_x, T, mean = (data[name] for name in ("frequency", "recency", "T", "monetary_value"))
    # What the first call imports is no part of the fit; the others import above.
    lifetime.fit_orders(x[:1000], t_x[:1000], T[:1000], "bgnbd")
    begun = time.perf_counter()
    orders, spend = lifetime.fit_orders(x, t_x, T, "bgnbd"), lifetime.fit_spend(x, mean)
    fitted = time.perf_counter()
    made = predict(orders.parameters, spend.parameters, x, t_x, T, mean, Terms())
    return {
        "fit": fitted - begun,
        "predict": time.perf_counter() - fitted,
        "log_likelihood": orders.log_likelihood,
        "expected": float(made.expected_orders[3].sum()),
        "alive": float(made.p_alive.sum()),
    }


def lifetimes(data: Columns, grouped: bool) -> Columns:
    import pandas as pd
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    frame = pd.DataFrame({name: data[name] for name in ("frequency", "recency", "T")})
    begun = time.perf_counter()
    rows = frame.groupby(list(frame.columns)).size().rename("weights").reset_index() if grouped else frame
    orders = BetaGeoFitter().fit(*(rows[name] for name in frame.columns), weights=rows["weights"] if grouped else None)
    repeated = data["frequency"] > 0
    spend = GammaGammaFitter().fit(pd.Series(data["frequency"][repeated]), pd.Series(data["monetary_value"][repeated]))
    fitted = time.perf_counter()
    columns = [rows[name] for name in frame.columns]
    weights = rows["weights"] if grouped else 1
    expected = orders.conditional_expected_number_of_purchases_up_to_time(DAYS, *columns)
    alive = orders.conditional_probability_alive(*columns)
    spend.conditional_expected_average_profit(data["frequency"], np.where(repeated, data["monetary_value"], 0.0))
    r, alpha, a, b = (float(orders.params_[name]) for name in ("r", "alpha", "a", "b"))
    return {
        "fit": fitted - begun,
        "predict": time.perf_counter() - fitted,
        "log_likelihood": _likelihood(data, r, alpha, a, b),
        "expected": float((np.asarray(expected) * weights).sum()),
        "alive": float((np.asarray(alive) * weights).sum()),
    }


def pymc_map(data: Columns) -> Columns:
    import pandas as pd
    from pymc_marketing.clv import BetaGeoModel, GammaGammaModel

    frame = pd.DataFrame({"customer_id": np.arange(len(data["T"])), **data})
    repeated = frame[frame["frequency"] > 0]
    begun = time.perf_counter()
    orders = BetaGeoModel(data=frame[["customer_id", "frequency", "recency", "T"]])
    orders.fit(method="map", progressbar=False)
    spend = GammaGammaModel(data=repeated[["customer_id", "frequency", "monetary_value"]])
    spend.fit(method="map", progressbar=False)
    fitted = time.perf_counter()
    expected = orders.expected_purchases(future_t=DAYS)
    alive = orders.expected_probability_alive()
    spend.expected_customer_spend(data=repeated)
    found = orders.fit_result.posterior if hasattr(orders.fit_result, "posterior") else orders.fit_result
    r, alpha, a, b = (float(found[name].mean()) for name in ("r", "alpha", "a", "b"))
    return {
        "fit": fitted - begun,
        "predict": time.perf_counter() - fitted,
        "log_likelihood": _likelihood(data, r, alpha, a, b),
        "expected": float(expected.sum()),
        "alive": float(alive.sum()),
    }


def _likelihood(data: Columns, r: float, alpha: float, a: float, b: float) -> float:
    """Of all customers, so that fits are compared by one measure."""
    from scipy.special import betaln, gammaln

    x, t_x, T = (data[name] for name in ("frequency", "recency", "T"))
    lived = -(r + x) * np.log(alpha + T)
    with np.errstate(divide="ignore", invalid="ignore"):
        stopped = np.where(x > 0, np.log(a / (b + np.maximum(x, 1) - 1)) - (r + x) * np.log(alpha + t_x), -np.inf)
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
    return float((common + np.logaddexp(lived, stopped)).sum())


def main() -> None:
    modeller, file = sys.argv[1:]
    with np.load(file) as stored:
        data = {name: stored[name] for name in ("frequency", "recency", "T", "monetary_value")}
    if modeller == "ours":
        told = ours(data)
    elif modeller == "pymc_map":
        told = pymc_map(data)
    else:
        told = lifetimes(data, modeller == "lifetimes_grouped")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
