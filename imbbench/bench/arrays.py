"""Arrays and torch tensors alike: what comes in as one of them goes out as the same."""

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

Array = TypeVar("Array", NDArray[Any], torch.Tensor)


def like(values, reference):
    """Cast a float64 vector to the kind, type and device of what it will be combined with."""
    if isinstance(reference, torch.Tensor):
        return torch.as_tensor(values, dtype=reference.dtype, device=reference.device)
    return np.asarray(values, dtype=reference.dtype)


def floating(values, name):
    """Keep floating tensors and arrays as they are, make float64 arrays of the rest."""
    if not isinstance(values, torch.Tensor):
        values = np.asarray(values)
        if values.dtype.kind != "f":
            values = values.astype(np.float64)
    elif not values.is_floating_point():
        values = values.double()
    if bool((values != values).any()):
        raise ValueError(f"{name} contain NaN")
    return values
