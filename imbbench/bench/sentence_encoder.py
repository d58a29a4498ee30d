"""A transformer encoder as the trunk of a network."""

import torch
from torch import nn


class _Dropout(nn.Module):
    """Dropout that draws eight masks from one 64-bit number; ``p`` is rounded to 1/256."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        dropped = round(256 * self.p)
        if not self.training or not dropped:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
        # Without an upper bound all 64 bits are random.
        noise = words.random_(-(2**63), None).view(torch.int8)[: x.numel()].view(x.shape)
        return x * ((noise >= dropped - 128) * (256 / (256 - dropped))).to(x.dtype)


class SentenceEncoder(nn.Module):
    """Mean over the last layer's tokens of a transformer encoder.

    In training its hidden layers have the model's dropout, its attention has none: on a processor
    dropped attention costs more than attention.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Changed in place.
    low_precision : bool
        Multiply in bfloat16; weights and the mean stay float32.
    """

    def __init__(self, model, low_precision=False):
        super().__init__()
        self.model = model
        self.low_precision = low_precision
        # Short texts are faster without the kernels that are made for long ones.
        model.set_attn_implementation("eager")
        for layer in list(model.modules()):
            for name, child in list(layer.named_children()):
                if isinstance(child, nn.Dropout):
                    attention = type(layer).__name__.endswith("SelfAttention")
                    setattr(layer, name, _Dropout(0.0 if attention else child.p))

    def forward(self, tokens):
        """Vectors (N, width) of token numbers (N, length), -1 beyond the end of a text."""
        mask = tokens >= 0
        longest = int(mask.sum(1).max())
        mask, tokens = mask[:, :longest], tokens[:, :longest].clamp(min=0)
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=self.low_precision):
            hidden = self.model(tokens, attention_mask=mask.long()).last_hidden_state
        hidden = hidden.float() * mask[:, :, None]
        return hidden.sum(1) / mask.sum(1, keepdim=True)


def in_low_precision(precision):
    if precision == "auto":
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        precision = "bfloat16" if fast or torch.cuda.is_available() else "float32"
    return precision == "bfloat16"
