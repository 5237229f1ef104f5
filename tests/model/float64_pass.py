# SPDX-License-Identifier: MIT
"""The forward pass of a llama model in float64, with which other passes are compared.

A model is any object with layers, heads, kv_heads, head (its elements), rope_dims (0: all of a head),
rope_base, rope_scale (by which positions are divided), epsilon (of the norms) and tied. Weights have []
and get(), which take the names in GGUF files and return float64.
"""
import numpy as np


def rmsnorm(x, weight, epsilon):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight


def rotate(x, model, factors):
    """Rotates neighbouring pairs of x (positions, heads, head), each by its angle."""
    dims = model.rope_dims or model.head
    angles = np.arange(x.shape[0])[:, None] / model.rope_scale
    angles = angles * float(model.rope_base)**(-2 * np.arange(dims // 2) / dims) / factors
    cosines, sines = np.cos(angles)[:, None], np.sin(angles)[:, None]
    out = x.copy()
    even, odd = x[..., 0:dims:2], x[..., 1:dims:2]
    out[..., 0:dims:2] = even * cosines - odd * sines
    out[..., 1:dims:2] = even * sines + odd * cosines
    return out


def rounded(x, cols):
    """Returns x as rounded to int8, with a scale for each `cols` columns."""
    blocks = x.reshape(x.shape[0], -1, cols)
    steps = np.abs(blocks).max(-1, keepdims=True) / 127
    return (np.rint(blocks / np.where(steps == 0, 1, steps)) * steps).reshape(x.shape)


def attention(q, k, v, model, factors, kv):
    """Returns the attention of one sequence. q, k, v: (positions, elements of all heads)."""
    n = len(q)
    q = rotate(q.reshape(n, model.heads, model.head), model, factors)
    k = rotate(k.reshape(n, model.kv_heads, model.head), model, factors)
    v = v.reshape(n, model.kv_heads, model.head)
    if kv is not None:
        k, v = k.astype(kv).astype(np.float64), v.astype(kv).astype(np.float64)
    share = model.heads // model.kv_heads
    k, v = np.repeat(k, share, 1), np.repeat(v, share, 1)
    q, k, v = (x.transpose(1, 0, 2) for x in (q, k, v))  # heads first
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(model.head)
    scores = np.where(np.tril(np.ones((n, n), bool)), scores, -np.inf)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return (shares @ v).transpose(1, 0, 2).reshape(n, -1)


class Pass:
    """A pass over several sequences side by side, so that each weight is read once.

    group(name of a weight): of how many columns the activations that it is multiplied by are
    rounded to int8 together; 1: not. kv: as what keys and values are kept; None: float64.
    """

    def __init__(self, model, weights, group=lambda name: 1, kv=None):
        self.model, self.weights, self.group, self.kv = model, weights, group, kv

    def linear(self, x, name):
        cols = self.group(f"{name}.weight")
        if cols > 1:
            x = rounded(x, cols)
        return x @ self.weights[f"{name}.weight"].T + self.weights.get(f"{name}.bias", 0)

    def states(self, sequences):
        """Returns the input of the output matrix: (positions of all sequences, dim)."""
        model, weights = self.model, self.weights
        ends = np.cumsum([len(tokens) for tokens in sequences])[:-1]
        factors = weights.get("rope_freqs.weight", 1)
        x = weights["token_embd.weight"][np.concatenate(sequences)].astype(np.float64)
        for i in range(model.layers):
            h = rmsnorm(x, weights[f"blk.{i}.attn_norm.weight"], model.epsilon)
            parts = zip(*(np.split(self.linear(h, f"blk.{i}.attn_{name}"), ends) for name in "qkv"))
            mixed = [attention(q, k, v, model, factors, self.kv) for q, k, v in parts]
            x = x + self.linear(np.concatenate(mixed), f"blk.{i}.attn_output")
            h = rmsnorm(x, weights[f"blk.{i}.ffn_norm.weight"], model.epsilon)
            gate = self.linear(h, f"blk.{i}.ffn_gate")
            gate = gate / (1 + np.exp(-gate)) * self.linear(h, f"blk.{i}.ffn_up")
            x = x + self.linear(gate, f"blk.{i}.ffn_down")
        return rmsnorm(x, weights["output_norm.weight"], model.epsilon)

    def logits(self, states):
        return self.linear(states, "token_embd" if self.model.tied else "output")


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def divergence(p, q):
    """Returns KL(p || q) for rows of log-probabilities."""
    return (np.exp(p) * (p - q)).sum(-1)
