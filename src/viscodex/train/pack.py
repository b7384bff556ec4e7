"""The samples of one step into packs: as few and as full as the token budget allows, as many on every rank."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

Pack = list[int]  # places in the step's list of samples


def pack_step(lengths: Sequence[int], budget: int, ranks: int = 1) -> list[list[Pack]]:
    """`[rank][micro-batch]` → places of samples. Every sample is in one pack, every rank has as many packs.

    A pack may be empty: then the rank has nothing to do but to take part in the exchange. The gradient of a step is a
    sum over its samples, so how they are packed changes rounding alone. Deterministic.
    """
    fewest = first_fit(lengths, budget)
    wanted = max(1, -(-len(fewest) // ranks)) * ranks
    packs = balance(lengths, budget, wanted) or fewest
    packs += [[] for _ in range(wanted - len(packs))]
    packs.sort(key=lambda pack: (-sum(lengths[place] for place in pack), pack))
    return [packs[rank::ranks] for rank in range(ranks)]


def first_fit(lengths: Sequence[int], budget: int) -> list[Pack]:
    """First-fit decreasing: at most 11/9 of the best number of packs, in practice within a few percent."""
    packs: list[Pack] = []
    room: list[int] = []
    for place in _longest_first(lengths):
        length = lengths[place]
        if length > budget:
            raise ValueError(f"a sample of {length} tokens does not fit a pack of {budget}")
        chosen = next((number for number, left in enumerate(room) if left >= length), None)
        if chosen is None:
            chosen = len(packs)
            packs.append([])
            room.append(budget)
        packs[chosen].append(place)
        room[chosen] -= length
    return [_together(pack, lengths) for pack in packs]


def balance(lengths: Sequence[int], budget: int, count: int) -> list[Pack] | None:
    """Into `count` packs of about the same size, longest sample first into the emptiest; None if one overflows."""
    packs: list[Pack] = [[] for _ in range(count)]
    heap = [(0, number) for number in range(count)]
    for place in _longest_first(lengths):
        filled, number = heapq.heappop(heap)
        if filled + lengths[place] > budget:
            return None
        packs[number].append(place)
        heapq.heappush(heap, (filled + lengths[place], number))
    return [_together(pack, lengths) for pack in packs]


def _together(pack: Pack, lengths: Sequence[int]) -> Pack:
    """Samples of one length beside each other: attention takes neighbours of one length in one go."""
    return sorted(pack, key=lambda place: (lengths[place], place))


def _longest_first(lengths: Sequence[int]) -> list[int]:
    return sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
