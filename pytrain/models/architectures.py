"""Every architecture by its name: a network from what `describe` said of it."""

from __future__ import annotations

from typing import Any

from pytrain.models.bayesian import Bayesian
from pytrain.models.memory import Memory
from pytrain.models.networks import GRU, MLP, Network


def network_from(description: dict[str, Any]) -> Network:
    """The network that `describe` describes."""
    entries = dict(description)
    name = entries.pop("name")
    if name in ("bayesian", "memory"):
        parts = {"base": _base_from(entries["base"]), "encoder": _mlp_from(entries["encoder"])}
        return Bayesian(**entries | parts) if name == "bayesian" else Memory(**entries | parts)
    return _base_from(description)


def _base_from(description: dict[str, Any]) -> MLP | GRU:
    entries = dict(description)
    if entries.pop("name") == "gru":
        return GRU(**entries | {"top": _mlp_from(entries["top"])})
    return _mlp_from(description)


def _mlp_from(description: dict[str, Any]) -> MLP:
    entries = {name: value for name, value in description.items() if name != "name"}
    return MLP(**entries | {"hidden_sizes": tuple(entries["hidden_sizes"])})
