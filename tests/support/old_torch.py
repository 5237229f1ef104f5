# SPDX-License-Identifier: MIT
"""Makes a transformers version of 2025 run with Debian 12's torch (1.13, for the CPU).

PyPI's torch needs gigabytes of CUDA libraries. The models need few functions that 1.13 lacks, and only
one of them is called: torch.vmap(), with which transformers computes masks; here broadcasting takes
its place. Import this module before anything from transformers.
"""
import importlib.metadata
import sys
import types

_version = importlib.metadata.version
importlib.metadata.version = lambda name: "2.2.0" if name == "torch" else _version(name)

import torch  # noqa: E402


class Missing:
    """A class without objects."""


def module(name, **names):
    made = types.ModuleType(name)
    made.__dict__.update(names)
    made.__path__ = []
    sys.modules[name] = made
    parent, _, leaf = name.rpartition(".")
    setattr(sys.modules[parent], leaf, made)


def as_it_is(function=None, **_):
    return function if function is not None else as_it_is


if not hasattr(torch, "_dynamo"):
    module("torch.compiler", is_compiling=lambda: False, is_exporting=lambda: False,
           disable=as_it_is)
    module("torch.distributed.tensor", DTensor=Missing, Replicate=Missing, Shard=Missing,
           Placement=Missing)
    module("torch._dynamo", allow_in_graph=as_it_is, disable=as_it_is, is_compiling=lambda: False)
    module("torch._dynamo._trace_wrapped_higher_order_op", TransformGetItemToIndex=Missing)
    torch.utils._pytree.register_pytree_node = (
        lambda kind, flatten, unflatten, **_: torch.utils._pytree._register_pytree_node(
            kind, flatten, unflatten))
    for name in ("float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64"):
        setattr(torch, name, name)
    torch.get_default_device = lambda: torch.device("cpu")

from transformers import masking_utils  # noqa: E402


def by_broadcasting(mask_function, bh_indices=True):
    def run(batch, head, queries, keys):
        if bh_indices:
            return mask_function(batch[:, None, None, None], head[None, :, None, None],
                                 queries[None, None, :, None], keys[None, None, None, :])
        return mask_function(batch, head, queries[:, None], keys[None, :])

    return run


masking_utils._vmap_for_bhqkv = by_broadcasting
