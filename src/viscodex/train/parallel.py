"""One process or many: the only place that knows ranks. Many means torchrun and FSDP2."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

from viscodex.core.errors import UsageError
from viscodex.train.forward import Objective
from viscodex.train.optimize import local


@dataclass(frozen=True)
class World:
    """The processes of a run, and this one's device."""

    rank: int
    size: int
    local_rank: int
    device: torch.device
    local_size: int = 1
    mesh: Any = None

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum(self, values: list[float]) -> list[float]:
        """Add up over ranks, in float64."""
        if self.size == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return [float(value) for value in total.tolist()]

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, in the order of ranks."""
        if self.size == 1:
            return [value]
        gathered: list[Any] = [None] * self.size
        dist.all_gather_object(gathered, value)
        return gathered

    def barrier(self) -> None:
        if self.size > 1:
            dist.barrier()

    @contextlib.contextmanager
    def in_turns(self) -> Iterator[None]:
        """The ranks of one machine run the block one after another: what it needs in memory, one of them needs."""
        for turn in range(self.local_size):
            if turn == self.local_rank:
                yield
            self.barrier()

    @contextlib.contextmanager
    def first_alone(self) -> Iterator[bool]:
        """The first rank runs the block before the others begin theirs."""
        if not self.is_first:
            self.barrier()
        yield self.is_first
        if self.is_first:
            self.barrier()


@contextlib.contextmanager
def connect(device: str = "") -> Iterator[World]:
    """The world that torchrun made, or this process alone."""
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise UsageError("there is no GPU that torch can use", hint="--device cpu")
        chosen = torch.device("cuda", local_rank)
        torch.cuda.set_device(chosen)
    mesh = None
    if size > 1:
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
        mesh = init_device_mesh(chosen.type, (size,))
    try:
        yield World(rank, size, local_rank, chosen, int(os.environ.get("LOCAL_WORLD_SIZE", "1")), mesh)
    finally:
        if size > 1:
            dist.destroy_process_group()


def place(objective: Objective, world: World, precision: str) -> None:
    """Bring a model to the device; with several ranks, cut the backbone over them, layer by layer.

    A layer is widened to float32, moved and cut before the next one is touched: no device ever holds the whole. Shards
    are gathered in the format that is computed in.

    Vision tower and projector stay whole on every rank, and outside: a batch of text alone does not run them, so a rank
    that waited for their gathering would wait for ever. If they are trained, `exchange` adds up their gradients.
    """
    body = objective.model.model
    if world.size == 1:
        if precision == "mixed":
            widen(objective, only_trained=True)
        objective.to(world.device)
        return
    compute = torch.float32 if precision == "float32" else torch.bfloat16
    policy = MixedPrecisionPolicy(param_dtype=compute, reduce_dtype=torch.float32)
    if precision == "mixed":
        widen(body.visual, only_trained=True)
        for module in (body.language_model.embed_tokens, body.language_model.norm, objective.model.lm_head):
            widen(module, only_trained=False)
    body.visual.to(world.device)
    for layer in body.language_model.layers:
        if precision == "mixed":
            widen(layer, only_trained=False)  # FSDP wants one format in a layer, adapters or not
        fully_shard(layer, mesh=world.mesh, mp_policy=policy)
    whole = set(body.visual.parameters())
    fully_shard(objective, mesh=world.mesh, mp_policy=policy, ignored_params=whole)
    register_fsdp_forward_method(objective, "generate")


def widen(module: torch.nn.Module, *, only_trained: bool) -> None:
    """float32 for what is added up step by step; what is frozen may stay as it is computed with."""
    for parameter in module.parameters():
        if parameter.requires_grad or not only_trained:
            parameter.data = parameter.data.float()


def put_back(objective: Objective) -> None:
    """Cut again what a forward pass without a backward pass has left whole: the embedding, the norm, the head.

    Until then `parameters()` gives other tensors than those the optimiser has.
    """
    reshard = getattr(objective, "reshard", None)
    if reshard is not None:
        reshard()


def exchange(objective: Objective, world: World) -> None:
    """Add up the gradients of trained parameters that are whole on every rank."""
    if world.size == 1:
        return
    for parameter in objective.parameters():
        if parameter.requires_grad and not hasattr(parameter, "to_local"):
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad /= world.size  # as FSDP's mean over ranks; the loss is multiplied by their number


def gradient_norm(objective: Objective, world: World) -> float:
    """The norm of the whole gradient, over all shards."""
    grads = [(p.grad, hasattr(p, "to_local")) for p in objective.parameters() if p.grad is not None]
    sharded = _squares([local(grad) for grad, is_shard in grads if is_shard])
    whole = _squares([grad for grad, is_shard in grads if not is_shard])
    return float((world.sum([sharded])[0] + whole) ** 0.5)


def _squares(tensors: list[torch.Tensor]) -> float:
    norms = torch._foreach_norm(tensors, 2, dtype=torch.float32) if tensors else []
    return float(torch.stack([norm.double() ** 2 for norm in norms]).sum()) if norms else 0.0


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor on every rank; every rank must ask."""
    gathered: torch.Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return gathered
