"""Settings that say when this computer helps others, and with how much of itself.

They are part of `Settings`; see `settings.py`, which also says what `json_schema_extra` holds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from meadow_engine.api.schedule import check_schedule_entry

Mode = Literal["when-idle", "always", "never"]
ProgramName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
ScheduleEntry = Annotated[str, StringConstraints(max_length=100), AfterValidator(check_schedule_entry)]


def _check_upload(upload_mbit: float) -> float:
    """With less, servers and clients would take each other for dead in the middle of a message."""
    if 0 < upload_mbit < 1:
        raise PydanticCustomError("upload_too_low", "has to be 0, for no limit, or at least 1")
    return upload_mbit


class WhenSettings(BaseModel):
    """Nothing is shared before the person has agreed, which is what `share` says."""

    model_config = ConfigDict(title="When to share")

    share: Annotated[
        bool,
        Field(
            title="Share this computer",
            description="Your consent, and the main switch: hold layers of a model for others. Nothing is shared"
            " while it is off.",
        ),
    ] = False
    mode: Annotated[
        Mode,
        Field(
            title="Share when",
            description="Whether sharing waits until you are away; all other rules hold in any case.",
            json_schema_extra={
                "choice_titles": {
                    "when-idle": "While nobody uses this computer",
                    "always": "Always, also while I work",
                    "never": "Not now",
                }
            },
        ),
    ] = "when-idle"
    idle_s: Annotated[
        int,
        Field(
            ge=1,
            le=86400,
            title="Away after",
            description="Time without key, click or movement after which you count as away.",
        ),
    ] = 180
    schedule: Annotated[
        list[ScheduleEntry],
        Field(
            max_length=100,
            title="Hours",
            description="Times of the week in which sharing is allowed, such as mon-fri 22:00-07:00; empty: at any"
            " time.",
        ),
    ] = []
    programs: Annotated[
        list[ProgramName],
        Field(
            max_length=500,
            title="Programs that come first",
            description="While one of these programs runs, nothing is shared. Common games are known already; add"
            " others here by the name of their program.",
        ),
    ] = []
    share_on_battery: Annotated[
        bool, Field(title="Share on battery", description="Also share while the computer runs on its battery.")
    ] = False
    share_metered: Annotated[
        bool,
        Field(
            title="Share on metered networks",
            description="Also share on a network that is paid by volume, such as a phone's.",
        ),
    ] = False
    share_full_screen: Annotated[
        bool,
        Field(
            title="Share beside full-screen windows",
            description="Also share while a game, film or talk fills the screen.",
        ),
    ] = False
    foreign_gpu_percent: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            title="Graphics card in use",
            description="When other programs keep the graphics card busier than this, it is given back to them.",
        ),
    ] = 10
    foreign_cpu_percent: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            title="Processor in use",
            description="When other programs keep the processor busier than this, it is given back to them; counts only"
            " where Meadow computes on the processor. 100 %: whatever they do.",
        ),
    ] = 50
    quiet_s: Annotated[
        int,
        Field(
            ge=1,
            le=3600,
            title="Quiet before sharing again",
            description="How long other programs must have left the computer alone before sharing goes on.",
        ),
    ] = 60
    too_hot_c: Annotated[
        int, Field(ge=40, le=110, title="Too hot", description="Sharing pauses above this temperature.")
    ] = 83
    cool_again_c: Annotated[
        int,
        Field(
            ge=30,
            le=105,
            title="Cool again",
            description="Sharing goes on below this temperature, which is lower than “Too hot”.",
        ),
    ] = 75

    @model_validator(mode="after")
    def _cool_is_below_hot(self) -> WhenSettings:
        if self.cool_again_c >= self.too_hot_c:
            raise PydanticCustomError(
                "settings_disagree",
                "cool_again_c ({cool}) has to be lower than too_hot_c ({hot})",
                {"cool": self.cool_again_c, "hot": self.too_hot_c, "names": ["too_hot_c", "cool_again_c"]},
            )
        return self


class AmountSettings(BaseModel):
    """Limits that hold while sharing."""

    model_config = ConfigDict(title="How much to share")

    memory_share: Annotated[
        float,
        Field(
            ge=0.05,
            le=0.95,
            title="Memory to lend",
            description="Share of the device's free memory that the swarm may fill.",
        ),
    ] = 0.8
    memory_kept_gb: Annotated[
        float,
        Field(
            ge=0,
            le=1024,
            title="Memory to keep",
            description="This much of the device's memory always stays free for you.",
        ),
    ] = 1.5
    compute_share: Annotated[
        float,
        Field(
            ge=0.1,
            le=1,
            title="Effort",
            description="Share of the time in which the device may compute for others; less than all of it keeps it"
            " cooler and quieter.",
        ),
    ] = 1.0
    upload_mbit: Annotated[
        float,
        Field(
            ge=0,
            le=100_000,
            title="Upload rate",
            description="Most that is sent for others: no limit, or at least 1 Mbit/s.",
            json_schema_extra={"zero": "No limit"},
        ),
        AfterValidator(_check_upload),
    ] = 0
    monthly_volume_gb: Annotated[
        float,
        Field(
            ge=0,
            le=100_000,
            title="Monthly volume",
            description="Sent and received for others in a calendar month, after which sharing rests.",
            json_schema_extra={"zero": "No limit"},
        ),
    ] = 0
    disk_kept_gb: Annotated[
        float,
        Field(
            ge=0,
            le=100_000,
            title="Disk space to keep",
            description="Nothing is shared while less than this is free on the disk.",
        ),
    ] = 5
    models_gb: Annotated[
        float,
        Field(
            ge=0,
            le=100_000,
            title="Disk space for models",
            description="Most that models from huggingface.co may take of the disk, for chats as well; nothing is"
            " fetched beyond it.",
            json_schema_extra={"zero": "No limit"},
        ),
    ] = 0
    keep_awake: Annotated[
        bool,
        Field(
            title="Keep awake",
            description="Do not let the computer go to sleep while it shares; on Linux this needs a desktop session.",
        ),
    ] = False
