"""Soft actor-critic, by which MESA's policy is trained."""

import numpy as np
import torch
from torch.nn.functional import logsigmoid


class SoftActorCritic:
    """Soft actor-critic for one action in [0, 1], as small as the authors' networks.

    Parameters
    ----------
    model : imbbench.strategies.ensemble.mesa.MESA
        Its ``bins`` are half the width of the state; its ``learning_rate``, ``gamma``, ``tau`` and
        ``alpha`` are followed.
    seed : int
        Of a generator of its own.
    """

    # As the authors'.
    CAPACITY = 1000  # of the replay memory, in transitions
    BATCH = 64
    HIDDEN = 50  # units of the hidden layers of policy (one layer) and critics (two)

    def __init__(self, model, seed):
        self.model, width, hidden = model, 2 * model.bins, self.HIDDEN
        self.generator = torch.Generator().manual_seed(seed)

        def layer(*shape):
            bound = np.sqrt(6 / (shape[-2] + shape[-1]))
            weight = torch.empty(shape, dtype=torch.float32)
            weight.uniform_(-bound, bound, generator=self.generator)
            bias = torch.zeros(*shape[:-2], 1, shape[-1], dtype=torch.float32)
            return [weight.requires_grad_(), bias.requires_grad_()]

        self.policy = layer(width, hidden) + layer(hidden, 2)
        # Two critics side by side: the leading dimension.
        self.critics = layer(2, width + 1, hidden) + layer(2, hidden, hidden) + layer(2, hidden, 1)
        self.targets = [p.detach().clone() for p in self.critics]
        self.policy_optimiser = torch.optim.Adam(self.policy, model.learning_rate)
        self.critic_optimiser = torch.optim.Adam(self.critics, model.learning_rate)
        self.memory = torch.zeros(self.CAPACITY, 2 * width + 3, dtype=torch.float32)
        self.seen = 0

    def act(self, state):
        """Draw an action; float in [0, 1]."""
        with torch.no_grad():
            return float(self.sample(torch.tensor(state, dtype=torch.float32)[None])[0][0])

    def remember(self, state, action, reward, done, following):
        """Store a transition in place of the oldest one."""
        row = np.concatenate([state, [action, reward, done], following])
        self.memory[self.seen % self.CAPACITY] = torch.from_numpy(row)
        self.seen += 1

    def sample(self, states):
        """Actions (n, 1) and their log-densities (n, 1), differentiable in the policy."""
        mean, log_std = _network(states, self.policy).split(1, dim=-1)
        log_std = log_std.clamp(-20, 2)
        noise = torch.randn(mean.shape, generator=self.generator, dtype=mean.dtype)
        twice = 2 * (mean + log_std.exp() * noise)
        # The action is tanh moved to [0, 1], which is a sigmoid; its slope is 2 s (1 - s).
        slope = np.log(2) + logsigmoid(twice) + logsigmoid(-twice)
        density = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi) - slope
        return twice.sigmoid(), density

    def value(self, states, actions, critics):
        """Values by each critic, (2, n, 1)."""
        return _network(torch.cat([states, actions], dim=1), critics)

    def goal(self, rewards, done, following):
        """What the critics are fitted to, (n, 1): the reward and, unless done, what follows."""
        with torch.no_grad():
            actions, density = self.sample(following)
            bound = self.value(following, actions, self.targets).amin(dim=0)
            return rewards + (1 - done) * self.model.gamma * (bound - self.model.alpha * density)

    def learn(self):
        """One step of both critics, then one of the policy, then one of the target critics."""
        kept, width = min(self.seen, self.CAPACITY), 2 * self.model.bins
        rows = torch.randperm(kept, generator=self.generator)[: self.BATCH]
        states, actions, rewards, done, following = self.memory[rows].split(
            [width, 1, 1, 1, width], dim=1
        )
        goal = self.goal(rewards, done, following)
        errors = self.value(states, actions, self.critics) - goal
        _descend(self.critic_optimiser, (errors**2).mean(dim=1).sum())

        chosen, density = self.sample(states)
        worth = self.value(states, chosen, self.critics).amin(dim=0)
        _descend(self.policy_optimiser, (self.model.alpha * density - worth).mean())
        with torch.no_grad():
            for target, critic in zip(self.targets, self.critics, strict=True):
                target.lerp_(critic, self.model.tau)


def _network(x, layers):
    """Multi-layer perceptron with ReLU; ``layers`` is weight, bias, weight, bias, …"""
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        x = (x @ weight + bias).relu()
    return x @ layers[-2] + layers[-1]


def _descend(optimiser, loss):
    """One step on the loss that leaves the gradients of all other parameters alone."""
    parameters = optimiser.param_groups[0]["params"]
    gradients = torch.autograd.grad(loss, parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimiser.step()
