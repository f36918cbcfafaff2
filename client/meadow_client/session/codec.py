"""How hidden states travel: as they are, or as one int8 for each value and one scale for each token.

Absolute-maximum quantisation by row (Dettmers et al., LLM.int8(), 2022, vector-wise): a token's scale is its largest
absolute value divided by 127, so an error is at most half a scale, and no token's outliers coarsen another token.

Shapes: B sequences, T tokens, D model width.

    hidden  [B, T, D]  floating point, or int8
    scale   [B, T]     float32
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from meadow_client.wire.messages import Codec, TensorName

_LARGEST = 127.0


def pack(hidden: torch.Tensor, codec: Codec) -> dict[TensorName, torch.Tensor]:
    """What to send for `hidden`, on its device."""
    if codec == "raw" or hidden.numel() == 0:
        return {"hidden": hidden}
    values = hidden.float()
    scale = values.abs().amax(dim=-1).clamp_min(torch.finfo(torch.float32).tiny * 256) / _LARGEST
    return {"hidden": (values / scale.unsqueeze(-1)).round_().to(torch.int8), "scale": scale}


def unpack(tensors: Mapping[TensorName, torch.Tensor], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Hidden states from what was received, in `dtype` on `device`."""
    hidden = tensors["hidden"].to(device)
    scale = tensors.get("scale")
    if scale is None:
        return hidden.to(dtype)
    return (hidden.float() * scale.to(device).unsqueeze(-1)).to(dtype)
