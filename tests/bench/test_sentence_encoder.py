import numpy as np
import pytest
import torch

from imbbench.bench.encoder import pretrained, tokenize
from imbbench.bench.sentence_encoder import SentenceEncoder


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))


def test_sentence_encoder_is_the_mean_of_the_last_layer(root, encoder):
    texts = ["call now win prize", "see you home later ok", "free", "ok"]
    X = torch.as_tensor(tokenize(texts, encoder).astype(np.int64))
    mask = (X >= 0)[:, :, None]
    with torch.no_grad():
        hidden = (
            pretrained(encoder, 1)
            .eval()(X.clamp(min=0), attention_mask=mask[:, :, 0].long())
            .last_hidden_state
        )
        found = SentenceEncoder(pretrained(encoder, 1)).eval()(X)
    torch.testing.assert_close(found, (hidden * mask).sum(1) / mask.sum(1), atol=1e-5, rtol=1e-5)


def test_dropout_of_the_encoder(encoder):
    """In training only, anew each time, by the seed; what is kept makes up for what is not."""
    trunk = SentenceEncoder(pretrained(encoder, 1))
    kinds = [type(module).__name__ for module in trunk.modules()]
    assert "Dropout" not in kinds
    dropout = trunk.model.encoder.layer[0].output.dropout
    x = torch.ones(1000, 101, requires_grad=True)
    assert dropout.eval()(x) is x
    dropout.train()
    torch.manual_seed(0)
    first, second = dropout(x), dropout(x)
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(dropout(x), first)
    assert first.unique().tolist() == pytest.approx([0, 256 / 230])
    assert float((first == 0).float().mean()) == pytest.approx(26 / 256, abs=0.005)
    for each in (first.mean(0), first.mean(1)):  # no row or column is special
        assert float((each.detach() - 1).abs().max()) < 0.15
    first.sum().backward()
    assert torch.equal(x.grad, first.detach())
    assert dropout(x.bfloat16()).dtype == torch.bfloat16
