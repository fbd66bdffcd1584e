"""What methods and ways of aiming are called in tables and in the report, in the order they are shown."""

from __future__ import annotations

METHOD_NAMES = {
    "frozen": "no adaptation (frozen)",
    "scratch": "trained from scratch",
    "knn": "nearest neighbours",
    "kernel": "kernel ridge",
    "frozen_kernel": "frozen + kernel ridge",
    "pooled": "pooled, fine-tuned",
    "pooled_tuned": "pooled, tuning searched",
    "reptile": "Reptile",
    "fomaml": "first-order MAML",
    "maml": "MAML",
    "metasgd": "Meta-SGD",
    "anil": "ANIL",
    "cavia": "CAVIA",
    "protonet": "prototypes",
    "bayes": "Bayesian head",
    "memory": "memory",
}
SHORT_NAMES = {
    **METHOD_NAMES,
    "frozen": "frozen",
    "scratch": "from scratch",
    "pooled_tuned": "pooled, searched",
}
BASELINES = ("frozen", "scratch", "knn", "kernel", "frozen_kernel", "pooled", "pooled_tuned")
"""The methods that did not learn from other players how to adapt to one."""
CONDITION_NAMES = {
    "no_lead": "no lead",
    "linear_lead": "linear lead",
    "frozen": "frozen brain",
    "kernel": "kernel ridge",
    "frozen_kernel": "frozen + kernel ridge",
    "pooled": "pooled, fine-tuned",
    "adapting": "adapting brain",
}
LEARNING_CONDITIONS = ("adapting",)
"""The ways of aiming that learned to adapt; the others are what they have to beat."""
CATEGORY_UNIT = "1 - accuracy"  # what `evaluate` measures a category's error in


def rank(method: str) -> int:
    """Where a method stands in a table; those without a name of their own come last."""
    known = list(METHOD_NAMES)
    return known.index(method) if method in known else len(known)


def label(method: str) -> str:
    """What a method is called; a brain that goes by its file name by that."""
    return METHOD_NAMES.get(method, method)
