"""Gradient boosting of small trees on columns that were put into bins beforehand.

Here: bins and fit. Not here: calibration and decision (`value_models`).
"""

from __future__ import annotations

import numpy as np

from cxa_pipeline.models.value_labels import Codes, Floats

BINS = 63
SEED = 20_231


class Boosting:
    """scikit-learn's histogram gradient boosting (after Ke et al. 2017, LightGBM), rare classes weighing more.

    The columns are put into bins between their quantiles here, since scikit-learn computes weighted quantiles bin by
    bin, which takes longer than all trees.

    Attributes:
        classes_: (k,) classes of the training customers.
    """

    def fit(self, x: Floats, y: Codes) -> Boosting:
        """Fit the trees to columns, (n, p), and classes, (n,)."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        parts = np.linspace(0, 1, BINS + 1)[1:-1]
        self._edges = [np.unique(column) for column in np.quantile(x, parts, axis=0, method="lower").T]
        self._trees = HistGradientBoostingClassifier(
            class_weight="balanced",
            learning_rate=0.1,
            max_iter=50,
            max_leaf_nodes=8,
            max_bins=BINS + 1,
            min_samples_leaf=40,
            l2_regularization=5.0,
            early_stopping=False,
            random_state=SEED,
        ).fit(self.bins(x), y)
        self.classes_: Codes = self._trees.classes_
        return self

    def bins(self, x: Floats) -> Floats:
        """The bin of each value, (n, p)."""
        columns = [np.searchsorted(edges, x[:, place]) for place, edges in enumerate(self._edges)]
        return np.stack(columns, axis=1).astype(np.float64) if columns else x

    def predict_proba(self, bins: Floats) -> Floats:
        """Probabilities of the classes, (n, k), from the bins of the columns."""
        return np.asarray(self._trees.predict_proba(bins), dtype=np.float64)

    def decision_function(self, bins: Floats) -> Floats:
        """Log-odds, (n, k), or (n,) for two classes."""
        return np.asarray(self._trees.decision_function(bins), dtype=np.float64)
