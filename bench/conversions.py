"""Target 18: a large COCO file converted to YOLO, VOC and COCO, beside a plain loop and other programs."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from bench import coco_file
from bench.measure import median, private, say
from bench.targets import Result
from bench.workshop import Workshop

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".peers" / "bin" / "python"
OTHERS = ("labelformat", "globox", "datumaro")
GOALS = ("yolo", "voc", "coco")
INTERVAL = 0.02


class Run(NamedTuple):
    """One conversion in a process of its own: seconds of CPU, and the peak of its private memory in bytes."""

    cpu: float
    peak: int


def conversions(shop: Workshop) -> Iterator[Result]:
    """Target 18, and what the others take and lose."""
    source = shop.folder / "coco" / "annotations" / "instances_train.json"
    source.parent.mkdir(parents=True)
    (shop.folder / "coco" / "images").mkdir()  # Datumaro reads no annotations without it
    count = coco_file.write(source, shop.rows * coco_file.IMAGES // 100_000)
    say(f"  {count:,} annotations, {source.stat().st_size / 1e6:,.0f} MB")
    found: dict[tuple[str, str], list[Run]] = {}
    programs = ["annotary", "plain", *_others()]
    luck = random.Random(1)
    for number in range(shop.rounds):
        say(f"  round {number + 1} of {shop.rounds}")
        works = [(program, to) for program in programs for to in GOALS]
        luck.shuffle(works)
        for program, to in works:
            # What other programs take does not decide the figure; two rounds of them are enough.
            if program in OTHERS and number > 1:
                continue
            folder = shop.new_folder("converted")
            found.setdefault((program, to), []).append(_run(program, to, source, folder))
            if number == 0:
                say(f"    {program} to {to}: {outcome(to, source, folder)}")
    shop.new_folder("converted")
    shutil.rmtree(shop.folder / "coco")
    worst = max(GOALS, key=lambda to: median(_ratios(found, to)))
    each = _ratios(found, worst)
    yield Result("18", median(each), (min(each), max(each)), _notes(found, worst))


def _others() -> list[str]:
    if PEERS.exists():
        return list(OTHERS)
    say(f"  without {', '.join(OTHERS)}: `sh scripts/peers.sh` installs them into .peers")
    return []


def _ratios(found: dict[tuple[str, str], list[Run]], to: str) -> list[float]:
    pairs = zip(found["annotary", to], found["plain", to], strict=True)
    return [ours.cpu / plain.cpu for ours, plain in pairs]


def _notes(found: dict[tuple[str, str], list[Run]], worst: str) -> str:
    lines = []
    for to in GOALS:
        shown = [
            f"{program} {median([run.cpu for run in runs]):.1f} s"
            f" {max(run.peak for run in runs) / 1e6:,.0f} MB"
            for (program, goal), runs in found.items()
            if goal == to
        ]
        lines.append(f"to {to}: {', '.join(sorted(shown))}")
    return f"worst: {worst}; CPU and peak memory " + "; ".join(lines)


def _run(program: str, to: str, source: Path, folder: Path) -> Run:
    """Convert in another process."""
    if program in OTHERS:
        command = [str(PEERS), str(ROOT / "bench" / "peers.py"), program, to, str(source), str(folder)]
    else:
        command = [sys.executable, "-m", "bench.child", f"convert_{program}", to, str(source), str(folder)]
    # Packages that are installed are compiled; ours out of a checkout is so after its first run.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    child = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peak = 0
    while True:
        ended, status, usage = os.wait4(child.pid, os.WNOHANG)
        if ended:
            break
        with suppress(OSError, RuntimeError):  # it has just ended
            peak = max(peak, private(child.pid))
        time.sleep(INTERVAL)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{program} did not convert to {to}: exit status {child.returncode}")
    return Run(usage.ru_utime + usage.ru_stime, peak)


def outcome(to: str, source: Path, folder: Path) -> str:
    """What of a file's annotations is there after a conversion, counted from the files alone."""
    if to == "yolo":
        texts = [path for path in folder.rglob("*.txt") if path.parent != folder]
        lines = sum(path.read_bytes().count(b"\n") for path in texts)
        return f"{lines:,} boxes"
    if to == "voc":
        found = sum(path.read_bytes().count(b"<object>") for path in folder.rglob("*.xml"))
        return f"{found:,} boxes"
    (path,) = folder.rglob("*.json")
    before, after = (json.loads(one.read_bytes()) for one in (source, path))
    return _compared(before, after)


def _compared(before: dict[str, Any], after: dict[str, Any]) -> str:
    ours = {one.get("id"): one for one in after["annotations"]}
    same = [(one, ours.get(one["id"])) for one in before["annotations"]]
    kept = [(one, other) for one, other in same if other and _place(one) == _place(other)]
    areas = sum(one["area"] == other.get("area") for one, other in kept)
    shapes = sum(one["segmentation"] == other.get("segmentation") for one, other in kept)
    crowds = sum(bool(one.get("iscrowd")) for one in after["annotations"])
    return (
        f"{len(after['annotations']):,} annotations, {len(kept):,} under their ids with their boxes,"
        f" {areas:,} with their areas, {shapes:,} with their segmentations, {crowds:,} crowds"
    )


def _place(one: dict[str, Any]) -> list[float]:
    return [round(value, 2) for value in one["bbox"]]
