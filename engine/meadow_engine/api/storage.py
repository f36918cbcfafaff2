"""What model files take of this computer's disk: `GET /api/storage` and `POST /api/storage/delete`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class StoredModel(BaseModel):
    """Files of one model in huggingface.co's cache; perhaps not all it has, as only needed ones are fetched."""

    id: str = Field(description="Its repository, such as `Qwen/Qwen3-8B`.")
    bytes: int = Field(description="What they take of the disk.")
    last_used_s: float = Field(description="When they were last read, in seconds since 1970.")
    is_in_use: bool = Field(description="Whether a chat, or sharing, uses them now; then they cannot be deleted.")


class StorageOverview(BaseModel):
    """Model files on this computer's disk. Folders that the person named themselves are not Meadow's to count."""

    folder: str = Field(description="Where they lie; other programs may keep theirs there, too.")
    bytes: int = Field(description="What all models there take together.")
    free_bytes: int = Field(description="Left on that disk.")
    limit_bytes: int = Field(description="Most that they may take, as the setting `models_gb` says; 0: no limit.")
    models: list[StoredModel] = Field(description="The largest first.")


class DeleteModel(BaseModel):
    """`POST /api/storage/delete`: delete one model's files. Answers with the new `StorageOverview`."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(max_length=256, description="Its id, as in `models` of the overview.")
