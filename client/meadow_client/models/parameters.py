"""How many parameters each layer of a model has, from its config alone: nothing is read but what `describe` read.

The numbers are the model's own, however its weights are kept: a layer that is quantised to 4 bits has as many as the
same layer in float32, so two computers that hold it in different ways agree. Buffers are not counted. Of a mixture of
experts every expert is, also those that a token does not pass through: whoever serves the layer has to hold them all.
"""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM

from meadow_client.models.auto import find_class
from meadow_client.models.cutting import find_layers
from meadow_client.models.description import ModelDescription


def layer_parameters(description: ModelDescription) -> tuple[int, ...]:
    """One number for each layer. Takes about a tenth of a second for 80 layers, and no memory.

    Raises:
        ModelUnusableError: the model keeps its layers in a way that cannot be cut.
    """
    with torch.device("meta"):
        model = find_class(AutoModelForCausalLM, description.config)(description.config)
    layers = find_layers(model.base_model, description.num_layers).layers
    return tuple(sum(parameter.numel() for parameter in layer.parameters()) for layer in layers)
