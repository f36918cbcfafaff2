"""What a person chooses for one conversation: instructions, sampling, the model; and sets of such choices. Pure.

Only what the gateway takes is here. None means: as the model's makers recommend.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from meadow_desktop.language import marked


class Sampling(BaseModel):
    """How the next token is chosen, and how many there may be. None leaves it to the model."""

    model_config = ConfigDict(frozen=True)

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None

    def parameters(self) -> dict[str, float | int]:
        """The members of a request; what is left to the model is left out."""
        return self.model_dump(exclude_none=True)


class ChatSettings(BaseModel):
    """The choices of one conversation. An empty `model` is the one that the engine is set to."""

    model_config = ConfigDict(frozen=True)

    system_prompt: str = ""
    sampling: Sampling = Sampling()
    model: str = ""
    leaves_out_oldest: bool = Field(
        default=True, description="Whether the oldest messages are left out when the model cannot hold all of them."
    )


USUAL = ChatSettings()


class Preset(BaseModel):
    """A named choice of sampling; one's own also has instructions. `name` of a built-in one is marked for `_`."""

    model_config = ConfigDict(frozen=True)

    name: str
    sampling: Sampling = Sampling()
    system_prompt: str | None = Field(
        default=None, description="None leaves the conversation's instructions as they are."
    )
    is_own: bool = False


MODELS_OWN = Preset(name=marked("As the model suggests"))
BALANCED = Preset(name=marked("Balanced"), sampling=Sampling(temperature=0.7, top_p=0.95))
PRECISE = Preset(name=marked("Precise"), sampling=Sampling(temperature=0.2, top_p=0.9))
CREATIVE = Preset(name=marked("Creative"), sampling=Sampling(temperature=1.1, top_p=0.98))
BUILT_IN = (MODELS_OWN, BALANCED, PRECISE, CREATIVE)


def use_preset(settings: ChatSettings, preset: Preset) -> ChatSettings:
    """The settings with the preset's choices; a limit of tokens that the preset does not know stays."""
    sampling = preset.sampling
    if sampling.max_tokens is None:
        sampling = sampling.model_copy(update={"max_tokens": settings.sampling.max_tokens})
    prompt = settings.system_prompt if preset.system_prompt is None else preset.system_prompt
    return settings.model_copy(update={"sampling": sampling, "system_prompt": prompt})


def preset_of(settings: ChatSettings, own: tuple[Preset, ...] = ()) -> Preset | None:
    """The preset that these settings are, one's own first; None when they are like none."""
    return next((each for each in (*own, *BUILT_IN) if use_preset(settings, each) == settings), None)


def make_preset(name: str, settings: ChatSettings) -> Preset:
    """A preset of one's own out of the present choices."""
    return Preset(
        name=" ".join(name.split()), sampling=settings.sampling, system_prompt=settings.system_prompt, is_own=True
    )
