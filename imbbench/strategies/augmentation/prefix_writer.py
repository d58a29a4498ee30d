"""A bidirectional encoder as a prefix language model, for UniLM's and SimBERT's manner."""

import numpy as np
import torch

from imbbench.bench.encoder import encoder_folder, load_tokenizer, pretrained
from imbbench.bench.sentence_encoder import SentenceEncoder, in_low_precision
from imbbench.strategies.augmentation.language_models import NUCLEUS

CONTRAST_SCALE = 30.0


def nucleus(logits, p, generator):
    """Draw one token per row from the fewest that hold the probability ``p`` together.

    Parameters
    ----------
    logits : torch.Tensor, (N, V)
    p : float
        Above 0, at most 1.
    generator : torch.Generator

    Returns
    -------
    torch.Tensor of int64, (N,)

    References
    ----------
    Holtzman et al., The curious case of neural text degeneration, ICLR 2020.
    """
    shares, order = torch.softmax(logits.float(), dim=1).sort(dim=1, descending=True, stable=True)
    shares = shares * (shares.cumsum(dim=1) - shares < p)
    drawn = torch.multinomial(shares, 1, generator=generator)
    return order.gather(1, drawn)[:, 0]


class PrefixWriter:
    """A bidirectional encoder that writes: the source sees itself, each written token what it
    follows.

    One transformer, made a language model by its attention mask alone. The source, [CLS] and a
    text, is seen by every token; of the target, [SEP] text [SEP], a token sees those before it.
    The output layer is the input embedding (frozen), behind one linear layer, over the tokens that
    occur in the targets.

    Parameters
    ----------
    encoder : str
        See :func:`imbbench.bench.encoder.encoder_folder`.
    layers : int
        Of the encoder, counted from the bottom.
    length : int
        Tokens of a source or a target at most.
    epochs, batch_size : int
    learning_rate : float
        Falls linearly to zero, after a rise over the first tenth.
    random_state : int

    References
    ----------
    Dong et al., Unified language model pre-training for natural language understanding and
    generation, NeurIPS 2019. Su, SimBERT, 2020, for ``contrast``. Departures: the [SEP] between
    the two belongs to the target; there are no segment embeddings; nothing is pre-trained as a
    language model, so that the few training texts are all it knows of writing.
    """

    def __init__(
        self,
        encoder,
        layers=3,
        length=32,
        epochs=6,
        batch_size=32,
        learning_rate=1e-3,
        random_state=0,
    ):
        folder = encoder_folder(encoder)
        torch.manual_seed(random_state)
        self.tokenizer = load_tokenizer(folder)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        # Its dropout costs less.
        self.model = SentenceEncoder(pretrained(folder, layers)).model.to(self.device)
        self.table = self.model.get_input_embeddings().weight.requires_grad_(False)
        self.length, self.epochs, self.batch_size = length, epochs, batch_size
        self.learning_rate, self.random_state = learning_rate, random_state

    def _tokens(self, texts):
        found = self.tokenizer(texts, add_special_tokens=False, truncation=False)["input_ids"]
        return [tokens[: self.length] for tokens in found]

    def _sources(self, texts):
        return [[self.tokenizer.cls_token_id, *row] for row in self._tokens(texts)]

    def _padded(self, rows):
        width = max(len(row) for row in rows)
        padded = [row + [-1] * (width - len(row)) for row in rows]
        return torch.tensor(padded, device=self.device)

    def hidden(self, source, target=None):
        """Last hidden states of sources (N, S) and targets (N, T), -1 beyond their ends.

        Returns
        -------
        Tensor of float32, (N, S + T, width)
        """
        tokens = source if target is None else torch.cat([source, target], dim=1)
        valid, place = tokens >= 0, torch.arange(tokens.shape[1], device=tokens.device)
        seen = (place < source.shape[1]) | (place <= place[:, None])
        with torch.autocast(self.device, torch.bfloat16, enabled=in_low_precision("auto")):
            out = self.model(
                tokens.clamp(min=0),
                attention_mask=torch.where(seen & valid[:, None], 0.0, -1e9)[:, None],
                position_ids=(valid.cumsum(dim=1) - 1).clamp(min=0),
            )
        return out.last_hidden_state.float()

    def _logits(self, hidden):
        with torch.autocast(self.device, torch.bfloat16, enabled=in_low_precision("auto")):
            logits = self.dense(hidden) @ self.output.T
        return logits.float() + self.bias

    def fit(self, sources, targets, contrast=False):
        """Train to write each target after its source.

        Parameters
        ----------
        sources, targets : list of str, (N,)
        contrast : bool
            Also the other way round, and with the in-batch softmax over the cosines (scaled by
            30, own row left out) of the sources' [CLS] vectors: each finds its partner.
        """
        sources = self._sources(sources)
        end = self.tokenizer.sep_token_id
        targets = [[end, *row, end] for row in self._tokens(targets)]
        if contrast:
            back = [[self.tokenizer.cls_token_id, *row[1:-1]] for row in targets]
            targets = targets + [[end, *row[1:], end] for row in sources]
            sources = sources + back
        pairs = len(sources) // (1 + contrast)
        counts = np.bincount([t for row in targets for t in row[1:]], minlength=len(self.table))
        if self.tokenizer.unk_token_id is not None:
            counts[self.tokenizer.unk_token_id] = 0  # never written
        self.vocabulary = torch.tensor(np.flatnonzero(counts), device=self.device)
        index = torch.full((len(self.table) + 1,), -100, device=self.device)  # the last for -1
        index[self.vocabulary] = torch.arange(len(self.vocabulary), device=self.device)
        self.output = self.table[self.vocabulary]
        width = self.table.shape[1]
        self.dense = torch.nn.Linear(width, width).to(self.device)
        torch.nn.init.eye_(self.dense.weight)
        torch.nn.init.zeros_(self.dense.bias)
        shares = torch.tensor(counts[counts > 0] / counts.sum(), device=self.device)
        self.bias = shares.log().float().requires_grad_()
        learning = [p for p in self.model.parameters() if p.requires_grad]
        learning += [*self.dense.parameters(), self.bias]
        optimiser = torch.optim.AdamW(learning, lr=self.learning_rate, fused=True)
        generator = np.random.default_rng(self.random_state)
        torch.manual_seed(self.random_state)
        self.model.train()
        steps, step = self.epochs * -(-pairs // self.batch_size), 0
        for _ in range(self.epochs):
            for rows in self._batches(sources[:pairs], targets[:pairs], generator):
                rows = np.concatenate([rows, rows + pairs]) if contrast else rows
                source = self._padded([sources[i] for i in rows])
                target = self._padded([targets[i] for i in rows])
                hidden = self.hidden(source, target[:, :-1])
                wanted = index[target[:, 1:]]
                logits = self._logits(hidden[:, source.shape[1] :][wanted >= 0])
                loss = torch.nn.functional.cross_entropy(logits, wanted[wanted >= 0])
                if contrast and len(rows) > 2:
                    loss = loss + _partner_loss(hidden[:, 0])
                share = (step + 1) / steps
                for group in optimiser.param_groups:
                    group["lr"] = self.learning_rate * min(10 * share, (1 - share) / 0.9 + 1e-3)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                step += 1
        self.model.eval()
        return self

    def _batches(self, sources, targets, generator):
        """Pairs of about equal length, which of them and in what order is random."""
        order = generator.permutation(len(sources))
        lengths = np.array([len(sources[i]) + len(targets[i]) for i in order])
        order = order[np.argsort(lengths // 8, kind="stable")]
        batches = np.split(order, range(self.batch_size, len(order), self.batch_size))
        return [batches[i] for i in generator.permutation(len(batches))]

    def write(self, sources, batch_size=128):
        """One sampled text (nucleus 0.95) after each of ``sources``."""
        generator = torch.Generator(self.device).manual_seed(self.random_state)
        tokens = self._sources(sources)
        end, found = self.tokenizer.sep_token_id, []
        with torch.inference_mode():
            for start in range(0, len(tokens), batch_size):
                source = self._padded(tokens[start : start + batch_size])
                target = torch.full((len(source), 1), end, device=self.device)
                going = torch.arange(len(source), device=self.device)
                for _ in range(self.length):
                    last = self.hidden(source[going], target[going])[:, -1]
                    drawn = self.vocabulary[nucleus(self._logits(last), NUCLEUS, generator)]
                    column = torch.full((len(source), 1), -1, device=self.device)
                    column[going, 0] = torch.where(drawn == end, -1, drawn)
                    target = torch.cat([target, column], dim=1)
                    going = going[drawn != end]
                    if not len(going):
                        break
                found += [[t for t in row if t >= 0] for row in target[:, 1:].tolist()]
        return self.tokenizer.batch_decode(found, clean_up_tokenization_spaces=True)

    def vectors(self, texts, batch_size=128):
        """Normalised [CLS] vectors (N, width) of texts as sources."""
        tokens = self._sources(texts)
        with torch.inference_mode():
            parts = [
                self.hidden(self._padded(tokens[start : start + batch_size]))[:, 0]
                for start in range(0, len(tokens), batch_size)
            ]
        return torch.nn.functional.normalize(torch.cat(parts), dim=1).cpu().numpy()


def _partner_loss(vectors):
    """Softmax over cosines: row i of the first half and row i of the second find each other."""
    vectors = torch.nn.functional.normalize(vectors, dim=1)
    cosine = CONTRAST_SCALE * vectors @ vectors.T
    cosine = cosine.masked_fill(torch.eye(len(vectors), dtype=torch.bool), -torch.inf)
    partner = torch.arange(len(vectors)).roll(len(vectors) // 2)
    return torch.nn.functional.cross_entropy(cosine, partner.to(vectors.device))
