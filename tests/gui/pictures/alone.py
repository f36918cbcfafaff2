"""Pictures of a computer that knows nobody: its first start with a model that is fetched, and pages without anything.

The desktop starts the real engine itself; huggingface.co is `fakes/hub_server.py`, which stops in the middle of a file
until the pictures of the download are taken.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from fakes.engine_folder import ANY_MACHINE, EngineFolder
from fakes.hub_models import MODEL, model_in_parts
from fakes.hub_server import FakeHub, HubModel, running_hub
from fakes.processes import wait_until
from gui.pictures.first_start import TITLE
from gui.pictures.studio import Studio, running_studio
from gui.pictures.surroundings import changed_environment
from meadow_assets import demo_model_path

FETCHED = "reading-circle/Meadow-Demo-Instruct"
FOR_CHATS, FOR_SHARING = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
STARTS_S = 60.0
ASKING_S = 1.0
PADDING_BYTES = 64 * 1024 * 1024


@contextmanager
def running_alone(folder: Path, theme: str, base: Path) -> Iterator[tuple[Studio, FakeHub, EngineFolder]]:
    """A first start on a computer on which there is nothing yet, and a hub with two models."""
    model = demo_model_in_parts()
    engine = EngineFolder(base)
    engine.write_settings(ANY_MACHINE)
    with running_hub({FETCHED: model, MODEL: model_in_parts()}) as hub:
        hub.stops_at[FOR_CHATS] = len(model.files[FOR_CHATS]) * 2 // 3
        online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url, "HF_HOME": str(base / "huggingface")}
        with (
            changed_environment(online),
            running_studio(folder, base, theme, is_welcomed=False, arguments=(), until="connected") as studio,
        ):
            yield studio, hub, engine


def take_alone(folder: Path, theme: str, base: Path, invitation: str) -> None:
    """All of it, in the order in which it happens; the invitation is one to another computer."""
    with running_alone(folder, theme, base) as (studio, hub, engine):
        take_wrong_invitation(studio)
        take_choice(studio)
        take_download(studio, hub)
        take_nobody(studio)
        take_refused_invitation(studio, invitation)
        hub.go_on()
        take_storage(studio, engine)


def take_wrong_invitation(studio: Studio) -> None:
    """Something was pasted that is no invitation."""
    desktop = studio.desktop
    desktop.click("welcome-continue")
    desktop.choose("choose-chat")
    desktop.click("welcome-continue")
    desktop.wait_for_control("choose-join")
    desktop.choose("choose-join")
    studio.display.type("https://meadow.example/join")
    studio.put_pointer_away()
    studio.take("welcome-wrong-invitation", TITLE)
    desktop.choose("choose-default-swarm")


def take_choice(studio: Studio) -> None:
    """A model that has to be fetched, in the summary."""
    desktop = studio.desktop
    desktop.click("model")
    studio.display.type(FETCHED)
    desktop.click("welcome-continue")
    desktop.wait_for_control("start-at-login")
    studio.put_pointer_away()
    studio.take("welcome-download", TITLE)


def take_download(studio: Studio, hub: FakeHub) -> None:
    """It comes, and is held."""
    desktop = studio.desktop
    desktop.click("welcome-continue")
    desktop.wait_for("welcomed", timeout_s=STARTS_S)
    hub.wait_until_stopped()
    desktop.wait_for_control("download-action", timeout_s=STARTS_S)
    desktop.wait_for("engine", lambda event: event["state"] == "connected")
    studio.put_pointer_away()
    studio.take("window-download")
    desktop.click("download-action")
    desktop.wait_for_control("download-remove", timeout_s=20)
    studio.put_pointer_away()
    studio.take("window-download-paused")


def take_nobody(studio: Studio) -> None:
    """No other computer, and nothing counted yet."""
    studio.desktop.click("go-swarm")
    studio.put_pointer_away()
    studio.take("swarm-nobody")
    studio.desktop.click("go-credits")
    studio.put_pointer_away()
    studio.take("credits-empty")


def take_refused_invitation(studio: Studio, invitation: str) -> None:
    """A true invitation to a swarm in which nobody answers any more."""
    desktop = studio.desktop
    desktop.click("go-swarm")
    desktop.click("join-swarm")
    desktop.wait_for_control("join-invitation")
    studio.display.type(_to_nobody(invitation))
    desktop.click("membership-do")
    time.sleep(ASKING_S)
    desktop.wait_for_control("membership-do", timeout_s=STARTS_S)  # it cannot be pressed while somebody is sought
    studio.put_pointer_away()
    studio.take("swarm-join-refused", "Join a swarm.*")
    desktop.click("membership-cancel")


def take_storage(studio: Studio, engine: EngineFolder) -> None:
    """Two models on the disk, and the question before one is deleted."""
    desktop = studio.desktop
    desktop.click("download-action")
    assert engine.ask("POST", "/api/downloads", {"model": MODEL}).status_code == 200
    wait_until(lambda: _all_done(engine), STARTS_S, "both downloads")
    desktop.click("go-settings")
    desktop.wait_for_control("settings-search")
    studio.display.press("Tab", "End", "Up", "Up")
    desktop.wait_for_control("delete-model")
    studio.put_pointer_away()
    studio.take("settings-storage-models")
    desktop.click("delete-model")
    desktop.wait_for_control("confirm-delete-model-no")
    studio.put_pointer_away()
    studio.take_box("settings-delete-model")
    desktop.click("confirm-delete-model-no")


def _all_done(engine: EngineFolder) -> bool:
    return all(download["state"] == "done" for download in engine.ask("GET", "/api/downloads").json())


def _to_nobody(invitation: str) -> str:
    """The same one with a port at which nobody listens."""
    return re.sub(r"(/|%2F)tcp(/|%2F)\d+", r"\1tcp\g<2>9", invitation)


def demo_model_in_parts() -> HubModel:
    """The bundled model as large ones are published: what chats need in one file, and the layers in another.

    Zeros make the files larger, as a download is counted in megabytes.
    """
    folder = demo_model_path()
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "model.safetensors"}
    tensors = load_file(folder / "model.safetensors")
    weight_map = {name: FOR_SHARING if ".layers." in name else FOR_CHATS for name in tensors}
    for part in (FOR_CHATS, FOR_SHARING):
        inside = {name: tensor for name, tensor in tensors.items() if weight_map[name] == part}
        inside["nothing"] = torch.zeros(PADDING_BYTES, dtype=torch.uint8)
        files[part] = save(inside, metadata={"format": "pt"})
    files["model.safetensors.index.json"] = json.dumps({"weight_map": weight_map}).encode()
    return HubModel(files)
