"""What agents gave that cannot be used, said in words: once for each agent and kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import ObservationError
from adaptive_agents.godot.rows import NOT_NUMBERS
from adaptive_agents.spec import Spec
from adaptive_agents.tick.participants import Agent


def complain_of_observation(
    agent: Agent | None, spec: Spec, whose: str, row: NDArray[np.float32], size: int
) -> None:
    """An agent's observation does not fit, or is not finite.

    Args:
        agent: None if it has left meanwhile.
        spec: what it should observe.
        whose: who expects that: the brain, or the recorder.
        row: what it gave, where that has the right size.
        size: how many numbers it gave, or NOT_NUMBERS.
    """
    if agent is None or "observation" in agent.reported:
        return
    try:
        if size == NOT_NUMBERS:
            raise ObservationError(
                f"{whose} expects {spec.describe_observation()}, {agent.label} gave no "
                "row of numbers: return a PackedFloat32Array from _observe()"
            )
        spec.check_observation(row if size == len(row) else np.zeros(size, np.float32), whose, agent.label)
    except ObservationError as error:
        agent.complain("observation", error)


def complain_of_measurement(agent: Agent | None, spec: Spec, row: NDArray[np.float32], size: int) -> None:
    """An agent's measurement does not fit, is not finite, or is no class that exists; as above."""
    if agent is None or "measurement" in agent.reported:
        return
    needed = f"{spec.target_columns} finite number" + ("s" if spec.target_columns > 1 else "")
    if spec.target.kind == "category":
        needed = f"a whole number from 0 to {spec.target.size - 1}"
    gave = (
        "no number" if size == NOT_NUMBERS else f"{size} numbers" if size != len(row) else str(row.tolist())
    )
    message = f"target {spec.target} needs {needed} from _measure(), {agent.label} gave {gave}"
    agent.complain("measurement", ObservationError(message))
