"""What agents in the engine do equals what torch does with the same weights, before and after adaptation."""

from __future__ import annotations

import json
from itertools import repeat

import numpy as np
import pytest
import torch

from pytrain.data.tasks import Batch
from pytrain.export.brain import export_brain
from pytrain.learners.inner_loop import adapt, for_each_task
from pytrain.models.model import Model
from pytrain.models.networks import MLP
from pytrain.models.normalisation import Normalisation
from tests.engine.scenes import ARCHER, main
from tests.synthetic_players import make_players, sinusoid_spec

EXAMPLES = 40
STEPS = 5
INNER_LR = 0.1
ABOUT = {
    "algorithm": "maml",
    "inner_loop": {
        "inner_lr": INNER_LR,
        "num_inner_steps": STEPS,
        "support_size": 64,
        "first_order": False,
        "trust_radius": 100.0,
    },
    "training": {},
    "scores": {},
}

# Every agent has a player of its own, who is taught other examples; nothing else is learned from. What that
# gave is handed out as it is: to earn its say takes time.
SCENE = """
AdaptiveAgents.synchronous = true
AdaptiveAgents.guarded = false
var agents: Array[AdaptiveAgent] = []
for i in PROFILES:
	var agent := AdaptiveAgent.new()
	agent.brain = load("res://archer.brain")
	agent.profile = PlayerProfile.new()
	agent.decision_interval = 1
	agent.observation = PackedFloat32Array([0.01 * i, 1.0 - 0.02 * i, 0.5])
	add_child(agent)
	agents.append(agent)
await ticks(3)
for agent in agents:
	print("BEFORE ", JSON.stringify(Array(agent.action), "", true, true))
for i in PROFILES:
	for j in EXAMPLES:
		var x := sin(0.7 * i + 0.9 * (j % 4))
		var observation := PackedFloat32Array([x, cos(0.3 * (j % 4)), 0.1 * i])
		var target := PackedFloat32Array([0.05 * i + 2.0 * x])
		print("TAUGHT ", JSON.stringify([i, Array(observation), target[0]], "", true, true))
		agents[i].learn(observation, target)
await ticks(12)
print("STATISTICS ", JSON.stringify(AdaptiveAgents.get_statistics()))
for agent in agents:
	print("AFTER ", JSON.stringify(Array(agent.action), "", true, true))
"""


@pytest.fixture(scope="module")
def model_and_brain(tmp_path_factory):
    players = make_players(4, "vector")
    network = MLP(3, (16, 16), players.spec.target.size)
    random = torch.Generator().manual_seed(0)
    params = network.init_params(random)
    rates = {name: torch.rand(value.shape, generator=random) for name, value in params.items()}
    model = Model(network, players.spec.target, Normalisation.of(players), rates=rates)
    path = tmp_path_factory.mktemp("exported") / "archer.brain"
    export_brain(path, model, params, sinusoid_spec("vector"), ABOUT)
    return model, params, path


def printed(log: str, word: str) -> list:
    return [json.loads(line[len(word) + 1 :]) for line in log.splitlines() if line.startswith(f"{word} ")]


@pytest.mark.parametrize("profiles", [1, 7, 64])
def test_agents_predict_and_adapt_as_torch_does(profiles, model_and_brain, make_project, run_godot):
    model, params, brain = model_and_brain
    body = SCENE.replace("PROFILES", str(profiles)).replace("EXAMPLES", str(EXAMPLES))
    project = make_project({"archer.gd": ARCHER, "main.gd": main(body)})
    (project.path / "archer.brain").write_bytes(brain.read_bytes())
    log = run_godot(["--fixed-fps", "60", "main.tscn"], project=project).stdout

    asked = torch.tensor([[[0.01 * i, 1.0 - 0.02 * i, 0.5]] for i in range(profiles)])
    start = for_each_task(params, profiles)
    before = model.predict(start, asked)[:, 0]
    np.testing.assert_allclose(printed(log, "BEFORE"), before, rtol=0, atol=1e-5)

    taught = printed(log, "TAUGHT")
    observations = torch.tensor([seen for _, seen, _ in taught]).reshape(profiles, EXAMPLES, 3)
    targets = torch.tensor([target for *_, target in taught]).reshape(profiles, EXAMPLES, 1)
    support = model.prepared(Batch(observations, targets, torch.ones(profiles, EXAMPLES)))
    adapted = adapt(model, start, repeat(support, STEPS), INNER_LR)
    (statistics,) = printed(log, "STATISTICS")
    assert (statistics["adaptations"], statistics["dropped"]) == (profiles, 0)
    after = model.predict(adapted, asked)[:, 0]
    assert (after - before).abs().max() > 0.01
    np.testing.assert_allclose(printed(log, "AFTER"), after, rtol=0, atol=1e-5)
