"""Workload W: rows for benchmarks, written as lines of text without any picture behind them."""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from annotary.sample.identity import cuid, dice, uuid
from annotary.sample.ontology import feature_schema_id

Json = dict[str, Any]

POOL = 4096
"""How many shapes of each kind there are; rows draw from them, so that neighbours differ."""

PLANS = 400
"""How many plans of a row there are; they are used in turn, so that the means hold."""

OBJECTS = (4, 5, 6, 6, 7, 7, 8, 8, 9, 10)
"""How many objects rows have, in turn: 7.0 on average."""

SHARES = (("box", 50), ("polygon", 35), ("line", 3), ("point", 2), ("mask", 10))
"""Kinds of objects in percent."""

WIDTH, HEIGHT = 2560, 1707
HOLE = "%b"

_LETTERS = bytes(b"0123456789abcdefghijklmnopqrstuvwxyz"[byte % 36] for byte in range(256))
# Ids before those of the objects: data row, label, the two questions, their three answers, attachment.
_FIXED = 8


@dataclass(frozen=True, slots=True)
class _Plan:
    """One row's arrangement: which pools its objects come from, and which ids go into which hole."""

    pools: tuple[tuple[bytes, ...], ...]
    answers: bytes
    holes: itemgetter[int]
    ids: int


def workload(rows: int, seed: int = 1) -> Iterator[bytes]:
    """So many export rows, each an ASCII line of JSON with its line end; fewer rows are a prefix of more."""
    project = cuid("workload", seed)
    plans = _plans(seed, project)
    frames = _frames(seed, project)
    stamps = _stamps()
    salt = f"workload {seed} ".encode()
    for index in range(rows):
        plan = plans[index % PLANS]
        noise = hashlib.shake_128(salt + b"%d" % index).digest(24 * plan.ids + 32)
        letters = noise.translate(_LETTERS)
        ids = [b"c" + letters[start : start + 24] for start in range(0, 24 * plan.ids, 24)]
        # The last bytes of the noise choose shapes, dates and frames.
        choice = int.from_bytes(noise[-32:])
        objects = []
        for pool in plan.pools:
            objects.append(pool[choice & 4095])
            choice >>= 12
        body = b'{"objects":[%b],"classifications":[%b],"relationships":[]}' % (b",".join(objects), plan.answers)
        annotations = body % plan.holes(ids)
        frame = frames[choice & 1023]
        moment = (choice >> 10) % (len(stamps) - 400)
        yield frame % (
            ids[0], index, index, index, stamps[moment], stamps[moment], stamps[moment + 300],
            ids[7],
        )
