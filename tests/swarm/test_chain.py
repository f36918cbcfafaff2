"""A chain of real engines: steps go straight from one to the next, and stop everywhere when the client stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError

import psutil
import pytest
import torch

from fakes.processes import Swarm, running_swarm
from meadow_client import AutoDistributedModelForCausalLM, RemoteSequential
from meadow_client.session.swarm_client import ClientOptions
from meadow_engine.bench.random_model import write_random_llama

SPANS = [(0, 2), (2, 3), (3, 6)]
WIDTH = 512


@pytest.fixture(scope="module")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swarm]:
    folder = tmp_path_factory.mktemp("models") / "llama-6x512"
    write_random_llama(folder, 6, WIDTH, 1000, 0)
    with running_swarm(folder, SPANS) as swarm:
        yield swarm


@pytest.fixture(scope="module")
def remote(swarm: Swarm) -> RemoteSequential:
    model = AutoDistributedModelForCausalLM.from_pretrained(str(swarm.model), initial_peers=[swarm.address])
    remote: RemoteSequential = model.remote
    remote.owner = [model]  # type: ignore[assignment] - the swarm is left when the model goes
    return remote


def random_hidden(tokens: int) -> torch.Tensor:
    return torch.randn(1, tokens, WIDTH, generator=torch.Generator().manual_seed(0))


def with_options(remote: RemoteSequential, options: ClientOptions) -> RemoteSequential:
    client = remote.client
    other = type(client)(client.node, client.loop, client.model, client.model_name, client.num_layers, options)
    return RemoteSequential(other)


def compute_s(swarm: Swarm) -> float:
    """CPU seconds that all engines used so far."""
    return sum(sum(psutil.Process(engine.process.pid).cpu_times()[:2]) for engine in swarm.engines)


def test_a_step_passes_through_the_client_once_and_through_every_server(remote: RemoteSequential) -> None:
    with remote.inference_session(64) as session:
        session.step(random_hidden(3))
        assert session.trips == 1
        assert [member.leg.start for member in session.members] == [0, 2, 3]


@pytest.mark.parametrize(
    "options",
    [ClientOptions(link_servers=False), ClientOptions(piece_tokens=7), ClientOptions(piece_tokens=0)],
    ids=["through the client", "in small pieces", "in one piece"],
)
def test_every_way_through_the_chain_gives_the_same(remote: RemoteSequential, options: ClientOptions) -> None:
    hidden = random_hidden(60)
    with torch.no_grad():
        expected = remote(hidden)
    with with_options(remote, options).inference_session(64) as session:
        outputs = torch.cat([session.step(hidden[:, :50]), session.step(hidden[:, 50:])], dim=1)
    torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-4)


def test_only_the_tokens_that_are_wanted_come_back(remote: RemoteSequential) -> None:
    hidden = random_hidden(40)
    with remote.inference_session(64) as whole, remote.inference_session(64) as part:
        torch.testing.assert_close(part.step(hidden, keep=3), whole.step(hidden)[:, -3:], rtol=1e-4, atol=1e-4)


def test_int8_hidden_states_stay_close(remote: RemoteSequential) -> None:
    hidden = random_hidden(40)
    with torch.no_grad():
        expected = remote(hidden)
    with with_options(remote, ClientOptions(codec="int8")).inference_session(64) as session:
        output = session.step(hidden)
    error = (output - expected).norm() / expected.norm()
    assert 0 < float(error) < 0.02


def test_a_cancelled_prompt_stops_on_all_servers_within_one_step(swarm: Swarm, remote: RemoteSequential) -> None:
    session = remote.inference_session(20_000)
    ended: list[BaseException] = []

    def work() -> None:
        try:
            session.step(random_hidden(16_000))
        except CancelledError as error:
            ended.append(error)

    before = compute_s(swarm)
    thread = threading.Thread(target=work)
    thread.start()
    while compute_s(swarm) - before < 1.5:  # all of them are at it
        time.sleep(0.02)
    session.cancel()
    thread.join(10)
    assert ended
    time.sleep(1.0)  # the pieces under way end
    settled = compute_s(swarm)
    time.sleep(1.0)
    assert compute_s(swarm) - settled < 0.2
    with remote.inference_session(8) as other:
        assert other.step(random_hidden(2)).shape == (1, 2, WIDTH)
