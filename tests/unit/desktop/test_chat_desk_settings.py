"""What goes with a question: the settings of its conversation, presets, and no more text than fits."""

from __future__ import annotations

from fakes.chat_desk import MakeDesk, last, talk
from fakes.desktop_qt import wait_until
from meadow_desktop.chat.chat_settings import CREATIVE, ChatSettings, Sampling, make_preset, use_preset
from meadow_desktop.chat.desk import ChatDesk
from meadow_desktop.fake_engine import FakeEngine

LARGE = "meadow/Larger-Model-70B-Instruct"  # the other one that the fake engine knows


def test_the_counted_tokens_and_the_model_stay_with_the_answer(
    engine: FakeEngine, desk: ChatDesk, make_desk: MakeDesk
) -> None:
    wait_until(lambda: bool(desk.models.models))
    talk(desk, "one")
    assert last(desk).model == "meadow-demo"
    assert desk.context_use.limit_tokens == 512
    assert desk.context_use.used_tokens > 0
    before = desk.context_use.used_tokens
    desk.set_draft("x" * 400)
    assert desk.context_use.used_tokens > before + 90


def test_the_settings_of_a_conversation_are_sent_with_its_next_question(
    engine: FakeEngine, desk: ChatDesk, make_desk: MakeDesk
) -> None:
    changes: list[ChatSettings] = []
    desk.settings_changed.connect(lambda: changes.append(desk.settings))
    settings = ChatSettings(system_prompt="Rhyme.", sampling=Sampling(temperature=0.3, max_tokens=64), model=LARGE)
    desk.change_settings(settings)
    talk(desk, "one")
    request = engine.requests[-1]
    assert (request["temperature"], request["max_tokens"], request["model"]) == (0.3, 64, LARGE)
    assert "top_p" not in request
    assert request["messages"][0] == {"role": "system", "content": "Rhyme."}
    desk.change_settings(use_preset(desk.settings, CREATIVE))
    talk(desk, "two")
    assert engine.requests[-1]["temperature"] == CREATIVE.sampling.temperature
    assert len(changes) == 2
    conversation = desk.open_conversation
    desk.open("")
    assert desk.settings == ChatSettings(model=LARGE)  # the next one begins as usual, with the same model
    assert conversation is not None
    again = make_desk()
    again.open(conversation.id)
    assert again.settings == use_preset(settings, CREATIVE)


def test_presets_of_ones_own_are_kept(desk: ChatDesk, make_desk: MakeDesk) -> None:
    desk.keep_preset(make_preset("Poet", ChatSettings(system_prompt="Rhyme.")))
    desk.keep_preset(make_preset("Poet", ChatSettings(system_prompt="Rhyme well.")))
    desk.close()
    again = make_desk()
    assert [(each.name, each.system_prompt) for each in again.own_presets] == [("Poet", "Rhyme well.")]
    again.forget_preset("Poet")
    assert again.own_presets == ()


def test_too_long_requests_are_sent_again_with_less(engine: FakeEngine, desk: ChatDesk) -> None:
    talk(desk, "one", "two", "three")
    engine.longest_request = 3
    talk(desk, "four")
    assert last(desk).phase == "complete"
    assert last(desk).left_out > 0
    assert len(engine.requests[-1]["messages"]) <= 3
    assert desk.context_use.left_out == last(desk).left_out
    desk.change_settings(desk.settings.model_copy(update={"leaves_out_oldest": False}))
    talk(desk, "five")
    problem = last(desk).problem
    assert problem is not None
    assert problem.code == "context_length_exceeded"
