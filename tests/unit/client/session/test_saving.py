"""A session that was saved goes on elsewhere as if nothing had happened; anything else is refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from meadow_client.errors import UsageError
from meadow_client.session.inference import InferenceSession
from meadow_client.session.sequential import RemoteSequential


def save_some(client: Any, path: Path, **step: torch.Tensor) -> torch.Tensor:
    hidden = torch.randn(2, 5, 4)
    with InferenceSession(client, 0, 6, 32) as session:
        session.tokens = torch.arange(10).reshape(2, 5)
        session.step(hidden, **step)
        session.position = 4
        session.save(path)
    return hidden[:, :4]


def load(client: Any, path: Path) -> InferenceSession:
    return RemoteSequential(client).load_session(path)


def test_a_loaded_session_feeds_new_servers_with_what_it_had(client: Any, tmp_path: Path) -> None:
    known = save_some(client, tmp_path / "session")
    client.steps_through.steps.clear()
    with load(client, tmp_path / "session") as session:
        assert (session.position, session.max_length) == (4, 32)
        assert session.tokens is not None
        assert session.tokens.tolist() == [[0, 1, 2, 3], [5, 6, 7, 8]]
        session.step(torch.randn(2, 1, 4))
    assert [position for position, _ in client.steps_through.steps] == [0, 4]
    assert torch.equal(client.steps_through.steps[0][1]["hidden"], known)


def test_padding_and_positions_are_saved_with_it(client: Any, tmp_path: Path) -> None:
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 1, 1, 1, 1]])
    positions = torch.tensor([[0, 1, 2, 3, 4], [0, 0, 1, 2, 3]])
    save_some(client, tmp_path / "session", attention_mask=mask, position_ids=positions)
    client.steps_through.steps.clear()
    with load(client, tmp_path / "session") as session:
        session.step(torch.randn(2, 1, 4), attention_mask=torch.cat([mask[:, :4], torch.ones(2, 1)], dim=1))
    replayed = client.steps_through.steps[0][1]
    assert replayed["attention_mask"].tolist() == mask[:, :4].bool().tolist()
    assert replayed["position_ids"].tolist() == positions[:, :4].tolist()


def test_a_session_is_saved_whole_or_not_at_all(client: Any, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        save_some(client, tmp_path / "missing" / "session")
    (tmp_path / "session").mkdir()
    with pytest.raises(OSError, match="directory"):
        save_some(client, tmp_path / "session")
    assert list(tmp_path.iterdir()) == [tmp_path / "session"]


@pytest.mark.parametrize("content", [None, b"", b"something else", b"\x08\0\0\0\0\0\0\0{}      "])
def test_what_is_no_session_is_refused(client: Any, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "session").write_bytes(content)
    with pytest.raises(UsageError, match="session"):
        load(client, tmp_path / "session")


def test_a_session_of_another_model_is_refused(client: Any, tmp_path: Path) -> None:
    save_some(client, tmp_path / "session")
    client.model = "another"
    with pytest.raises(UsageError, match="another model"):
        load(client, tmp_path / "session")
