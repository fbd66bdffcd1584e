"""The posterior of a Bayesian linear regression, from the statistics that a brain of that kind carries on.

A player's own are four parameters. Two are sums to which the graph that adapts adds a player's examples
(`statistics.precision`: the prior's precision and the outer products of the features; `statistics.response`:
the same with the targets), and two follow from them, here: the mean and the covariance that predict. Neither
ONNX nor its steps solve as fast and as surely as LAPACK in double precision; each export compares the result
with the one of training.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import PosteriorError

MEAN, COVARIANCE = "posterior.mean", "posterior.covariance"
PRECISION, RESPONSE = "statistics.precision", "statistics.response"

Params = dict[str, NDArray[np.float32]]


def with_posterior(params: Params) -> Params:
    """The parameters with the mean and the covariance that follow from their statistics.

    Args:
        params: among them `statistics.precision` `(…, features, features)` and `statistics.response`
            `(…, features, outputs)`; any leading axes, for players.

    Raises:
        PosteriorError: the statistics are not finite, or the precision is not positive definite.
    """
    precision = params[PRECISION].astype(np.float64)
    response = params[RESPONSE].astype(np.float64)
    if not (np.isfinite(precision).all() and np.isfinite(response).all()):
        raise PosteriorError(
            "the statistics of the player's examples are not finite: one of them holds a number too large"
        )
    try:
        np.linalg.cholesky(precision)
        covariance = np.linalg.inv(precision)
    except np.linalg.LinAlgError as error:
        raise PosteriorError(
            "the statistics of the player's examples have a precision that is not positive definite: "
            "they were damaged, or numbers too large were learned; start afresh"
        ) from error
    found = {MEAN: covariance @ response, COVARIANCE: covariance}
    return {**params, **{name: value.astype(np.float32) for name, value in found.items()}}
