"""From raw features to points of comparable scale.

Here: logarithm, winsorising, filling and standardising, learned from one population and applied to any. Not here:
which features there are (`tables.clusters_features`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
MISSING = "_missing"
WINSOR_PERCENT = 1.0


@dataclass(frozen=True)
class Scale:
    """How one feature becomes a coordinate; all figures are on the feature's scale after the logarithm, if it has one.

    Args:
        feature: Its name; `<feature>_missing` is 1 where <feature> has no value.
        is_logged: The coordinate is made of log(1 + max(value, 0)).
        lower: What lies below is raised to this, the 1st percentile.
        upper: What lies above is lowered to this, the 99th percentile.
        fill: The median; stands where there is no value.
        mean: Mean after winsorising and filling.
        sd: Standard deviation (divisor n) after winsorising and filling.
        dropped_because: Why the feature is no coordinate; None if it is one.
    """

    feature: str
    is_logged: bool = False
    lower: float = np.nan
    upper: float = np.nan
    fill: float = np.nan
    mean: float = np.nan
    sd: float = np.nan
    dropped_because: str | None = None

    def coordinate(self, values: Values) -> Values:
        """Standardised values; NaN becomes the median."""
        return (self._winsorised(values) - self.mean) / self.sd

    def value(self, coordinate: float) -> float:
        """The raw value at a coordinate."""
        on_scale = self.mean + self.sd * coordinate
        return float(np.expm1(on_scale)) if self.is_logged else float(on_scale)

    def _winsorised(self, values: Values) -> Values:
        scaled = _logged(values) if self.is_logged else values
        return np.clip(np.where(np.isnan(scaled), self.fill, scaled), self.lower, self.upper)


def learn(
    values: Mapping[str, Values], logged: Collection[str], without_indicator: Collection[str] = ()
) -> list[Scale]:
    """The scale of each feature, and of an indicator for each one that lacks values.

    A feature with one value (after winsorising) says nothing, and an indicator that equals one before it says
    nothing new: both are dropped, with the reason.

    Args:
        values: (n,) numbers by feature; NaN is no value.
        logged: Features of which the logarithm is taken.
        without_indicator: Features whose lack of a value another feature tells already.

    Returns:
        Features in the order given, each followed by its indicator if it has one.
    """
    scales: list[Scale] = []
    indicators: dict[str, Values] = {}
    for feature, column in values.items():
        scales.append(_scale(feature, column, feature in logged))
        is_missing = np.isnan(column)
        if feature in without_indicator or not is_missing.any() or is_missing.all():
            continue
        name, indicator = feature + MISSING, is_missing.astype(np.float64)
        twin = next((known for known, other in indicators.items() if np.array_equal(other, indicator)), None)
        if twin:
            scales.append(Scale(name, dropped_because=f"the same as {twin}"))
        else:
            indicators[name] = indicator
            scales.append(_scale(name, indicator, False))
    return scales


def points(values: Mapping[str, Values], scales: Sequence[Scale]) -> Values:
    """Coordinates of all rows, (n, number of scales that are not dropped)."""
    used = [scale for scale in scales if scale.dropped_because is None]
    n = len(next(iter(values.values())))
    found = np.empty((n, len(used)))
    for at, scale in enumerate(used):
        found[:, at] = scale.coordinate(raw(values, scale.feature))
    return found


def raw(values: Mapping[str, Values], feature: str) -> Values:
    """Raw values of a feature or of an indicator."""
    if feature in values:
        return values[feature]
    return np.isnan(values[feature.removesuffix(MISSING)]).astype(np.float64)


def _scale(feature: str, column: Values, is_logged: bool) -> Scale:
    known = column[~np.isnan(column)]
    if not len(known):
        return Scale(feature, is_logged, dropped_because="no values")
    scaled = _logged(known) if is_logged else known
    lower, fill, upper = (float(x) for x in np.percentile(scaled, [WINSOR_PERCENT, 50, 100 - WINSOR_PERCENT]))
    bounds = Scale(feature, is_logged, lower, upper, fill)
    winsorised = bounds._winsorised(column)
    if np.ptp(winsorised) == 0 or not (sd := float(winsorised.std())) > 0:
        return Scale(feature, is_logged, lower, upper, fill, dropped_because="one value")
    return Scale(feature, is_logged, lower, upper, fill, float(winsorised.mean()), sd)


def _logged(values: Values) -> Values:
    return np.log1p(np.maximum(values, 0.0))
