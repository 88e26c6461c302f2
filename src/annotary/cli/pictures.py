"""Small SVG charts: bars, a confusion matrix, curves; they follow the reader's light or dark scheme."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from annotary.model.analysis import ClassScore, Evaluation, Statistics

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.h{font-weight:600}.n{fill:#59636e}"
    ".bar{fill:#0969da}.cell{fill:#0969da}.on{fill:#fff}.line{fill:none;stroke-width:1.5}"
    ".axis{stroke:#8c959f;fill:none}.back{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}.bar{fill:#4493f8}"
    ".cell{fill:#4493f8}.on{fill:#0d1117}.back{fill:#0d1117}.axis{stroke:#656c76}}"
)
LINE, LABEL, BAR = 20, 160, 320
CELL, PLOT = 34, 240
MANY = 30
"""So many classes are drawn; the rest is counted."""


def classes(found: Statistics, name: str) -> str:
    """Bars of objects by class."""
    ranked = sorted(found.by_class.items(), key=lambda one: (-one[1], one[0]))
    most = max((count for _, count in ranked), default=1)
    parts = [_text(0, 14, f"{name}: objects by class", "h")]
    for place, (label, count) in enumerate(ranked[:MANY]):
        top = 26 + place * LINE
        width = max(1, round(BAR * count / most))
        parts += [
            _text(LABEL - 8, top + 12, _short(label), anchor="end"),
            f'<rect class="bar" x="{LABEL}" y="{top}" width="{width}" height="14" rx="2">'
            f"<title>{escape(label)}: {count:,}</title></rect>",
            _text(LABEL + width + 6, top + 12, f"{count:,}", "n"),
        ]
    height = 30 + min(len(ranked), MANY) * LINE
    if len(ranked) > MANY:
        parts.append(_text(LABEL, height + 10, f"and {len(ranked) - MANY:,} more classes", "n"))
        height += LINE
    said = ", ".join(f"{label} {count}" for label, count in ranked[:MANY]) or "no objects"
    return _svg(LABEL + BAR + 80, height, f"Objects by class in {name}", said, parts)


def evaluation(found: Evaluation, name: str) -> str:
    """The confusion matrix and, beside it, precision over recall."""
    shown = sorted(found.classes, key=lambda one: (-one.labels - one.predictions, one.name))[:MANY]
    every = [one.name for one in found.classes]
    places = [*(every.index(one.name) for one in shown), len(every)]
    names = [*(one.name for one in shown), "background"]
    size = len(names) * CELL
    parts = [_text(0, 14, f"{name}: labels (rows) and predictions (columns)", "h")]
    for row, (at, label) in enumerate(zip(places, names, strict=True)):
        counts = [found.confusion[at][column] for column in places]
        whole = sum(found.confusion[at]) or 1
        top = 110 + row * CELL
        parts.append(_text(LABEL - 8, top + 21, _short(label), anchor="end"))
        left = LABEL + row * CELL + 20
        parts.append(_text(left, 104, _short(label, 14), turned=f"rotate(-45 {left} 104)"))
        for column, count in enumerate(counts):
            share = count / whole
            x = LABEL + column * CELL
            parts.append(
                f'<rect class="cell" x="{x}" y="{top}" width="{CELL - 2}" height="{CELL - 2}"'
                f' fill-opacity="{0.06 + 0.94 * share:.2f}">'
                f"<title>{escape(label)} as {escape(names[column])}: {count:,}</title></rect>"
            )
            if count:
                kind = "on" if share > 0.5 else ""
                parts.append(_text(x + CELL / 2 - 1, top + 21, _few(count), kind, anchor="middle"))
    parts += _curves(shown, LABEL + size + 150, 110)
    said = f"AP {_number(found.boxes.ap)}, AP50 {_number(found.boxes.ap50)} over {found.rows} rows"
    height = 110 + max(size, PLOT + 40, len(shown) * LINE) + 20
    return _svg(LABEL + size + 150 + PLOT + 180, height, f"Evaluation of {name}", said, parts)


def _curves(shown: Sequence[ClassScore], left: int, top: int) -> list[str]:
    parts = [
        _text(left, top - 10, "Precision over recall, IoU 0.5", "h"),
        f'<path class="axis" d="M{left} {top}V{top + PLOT}H{left + PLOT}"/>',
        _text(left + PLOT, top + PLOT + 16, "recall 1", "n", anchor="end"),
        _text(left - 6, top + 10, "1", "n", anchor="end"),
        _text(left - 6, top + PLOT, "0", "n", anchor="end"),
    ]
    for place, one in enumerate(one for one in shown if one.curve):
        steps = len(one.curve) - 1
        points = " ".join(
            f"{left + PLOT * step / steps:.1f},{top + PLOT * (1 - max(0.0, value)):.1f}"
            for step, value in enumerate(one.curve)
        )
        # Neither hue nor dashes alone tell classes apart.
        colour = f"hsl({place * 137.5 % 360:.0f} 70% 50%)"
        dashes = ("", "6 3", "2 3")[place % 3]
        parts.append(
            f'<polyline class="line" stroke="{colour}" stroke-dasharray="{dashes}" points="{points}"/>'
        )
        y = top + 8 + place * LINE
        x = left + PLOT + 16
        parts.append(
            f'<line class="line" stroke="{colour}" stroke-dasharray="{dashes}" x1="{x}" x2="{x + 20}"'
            f' y1="{y}" y2="{y}"/>'
        )
        parts.append(_text(x + 26, y + 4, f"{_short(one.name, 16)} {_number(one.ap50)}"))
    return parts


def _svg(width: int, height: int, title: str, said: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t d" width="{width + 24}"'
        f' height="{height + 24}" viewBox="-12 -12 {width + 24} {height + 24}">'
        f'<title id="t">{escape(title)}</title><desc id="d">{escape(said)}</desc><style>{STYLE}</style>'
        f'<rect class="back" x="-12" y="-12" width="100%" height="100%"/>{"".join(parts)}</svg>\n'
    )


def _text(x: float, y: float, text: str, kind: str = "", *, anchor: str = "start", turned: str = "") -> str:
    more = f' class="{kind}"' if kind else ""
    more += f' transform="{turned}"' if turned else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def _short(text: str, letters: int = 22) -> str:
    # What XML cannot say at all is left out of pictures; the tables have it.
    text = "".join(one for one in text if one.isprintable())
    return text if len(text) <= letters else text[: letters - 1] + "…"


def _few(count: int) -> str:
    """A count in four letters.

    >>> _few(999), _few(12345), _few(2_000_000)
    ('999', '12k', '2M')
    """
    if count < 1000:
        return str(count)
    return f"{count // 1000}k" if count < 1_000_000 else f"{count // 1_000_000}M"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
