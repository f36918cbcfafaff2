"""When no engine holds some layers, everybody is told which, and for how long Meadow waits."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from fakes.models import write_tiny_model
from fakes.processes import close, running_swarm, serve_arguments, start_meadow, wait_ready
from meadow_client import AutoDistributedModelForCausalLM, MeadowError
from meadow_client.errors import LayersMissingError
from meadow_client.session.swarm_client import Waiting


def test_the_wait_names_the_layers_ends_in_time_and_goes_on_when_they_appear(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "tiny", "llama")
    with running_swarm(model, [(0, 3)]) as swarm:
        ours = AutoDistributedModelForCausalLM.from_pretrained(
            model, initial_peers=[swarm.address], dtype=torch.float32, connect_timeout_s=1.0
        )
        ids = torch.tensor([[5, 6, 7]])
        with pytest.raises(LayersMissingError) as caught:
            ours(ids)
        assert "layers 3–5 of tiny" in str(caught.value)
        assert caught.value.missing == [(3, 6)]
        assert isinstance(caught.value, MeadowError)

        patient = AutoDistributedModelForCausalLM.from_pretrained(
            model, initial_peers=[swarm.address], dtype=torch.float32, connect_timeout_s=60.0
        )
        told: list[Waiting] = []
        is_told = threading.Event()
        late = []

        def start_late() -> None:
            if is_told.wait(30):
                late.append(start_meadow(*serve_arguments(model, (3, 6), [swarm.address])))

        def hear(waiting: Waiting) -> None:
            told.append(waiting)
            is_told.set()

        starter = threading.Thread(target=start_late)
        starter.start()
        try:
            with patient.remote.inference_session(16, on_waiting=hear) as session:
                text = patient.generate(ids, max_new_tokens=4, session=session, pad_token_id=0)
        finally:
            starter.join()
            for program in late:
                close(wait_ready(program))
        assert text.shape == (1, 7)
        assert "layers 3–5 of tiny" in str(told[0])
        assert "waiting up to 60 s" in str(told[0])
