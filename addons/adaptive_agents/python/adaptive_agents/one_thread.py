"""Imports numpy with one thread for its linear algebra; the package does so before anything else of it.

OpenBLAS otherwise starts a thread for every core at import, and they spin while they wait: on two cores that
doubles the CPU time of the import (150 instead of 75 ms). Nothing here multiplies a matrix that would gain by
it, and the cores belong to the game.
"""

from __future__ import annotations

import os
import sys

VARIABLE = "OPENBLAS_NUM_THREADS"


def import_numpy() -> None:
    """Does it; the environment is then as before, for the programs that the game or a training run starts."""
    if "numpy" in sys.modules:
        return
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "1"
    try:
        import numpy  # noqa: F401, ICN001 - imported for its side effect
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


import_numpy()
