"""A pipeline's stages as SVG: a band for each phase, an arrow from what makes something to what needs it.

Plain text and shapes, with a white ground of its own, so that it can be read in any page, dark ones too. An arrow has
the colour of the phase that it comes from, and its corners are round: where arrows share a piece of their way, the
curves show where each turns off.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.pipeline_graph import Node
from bench.pipeline_layout import BOX, HEIGHT, Layout, Point, layout

COLOURS = {  # ground of a band, line and text of its stages
    "prep": ("#f4f1ea", "#7a5c1e"), "design": ("#eef3fb", "#2b5797"), "generate": ("#eef7ee", "#2e6b34"),
    "train": ("#fbf3e6", "#8a5a00"), "evaluate": ("#f6effa", "#6b3a86"),
}  # fmt: skip
INK = "#5b6470"
CORNER = 5  # px of radius, where an arrow turns
LEGEND = 34  # px
STYLE = "font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\""


def picture(nodes: Sequence[Node], phases: Sequence[str], title: str) -> str:
    """The SVG file's text."""
    placed = layout(nodes, phases)
    height = placed.height + LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {placed.width:g} {height:g}" width="{placed.width:g}"'
        f' height="{height:g}" role="img" {STYLE} font-size="13">',
        f"<title>{escape(title)}</title>",
        f"<defs>{''.join(map(_head, phases))}</defs>",
        '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>',
        *(_band(phase, placed) for phase in phases),
        *(_box(node, placed.boxes[node.name]) for node in nodes),
        *(_arrow(edge[0], points) for edge, points in zip(placed.edges, placed.arrows, strict=True)),
        _legend(placed.height, any(node.items for node in nodes)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _band(phase: str, placed: Layout) -> str:
    top, bottom = placed.bands[phase]
    ground, ink = COLOURS[phase]
    return (
        f'<rect x="4" y="{top:g}" width="{placed.width - 8:g}" height="{bottom - top:g}" rx="6" fill="{ground}"/>\n'
        f'<text x="12" y="{top + 20:g}" fill="{ink}" font-weight="600">{phase}</text>'
    )


def _head(phase: str) -> str:
    return (
        f'<marker id="{phase}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0.8 8 4 0 7.2z" fill="{COLOURS[phase][1]}"/></marker>'
    )


def _arrow(source: str, points: Sequence[Point]) -> str:
    phase = source.split("-")[0]
    look = f'fill="none" stroke="{COLOURS[phase][1]}" stroke-width="1.2" marker-end="url(#{phase})"'
    turns = (_turn(*three) for three in zip(points, points[1:], points[2:], strict=False))
    return f'<path d="{" ".join([f"M{_at(points[0])}", *turns, f"L{_at(points[-1])}"])}" {look}/>'


def _turn(before: Point, corner: Point, after: Point) -> str:
    """A line to where the curve round a corner begins, and the curve."""
    return f"L{_at(_towards(before, corner))} Q{_at(corner)} {_at(_towards(after, corner))}"


def _towards(start: Point, corner: Point) -> Point:
    """The point of a level or upright line that lies a radius before its end, or half way on a short one."""
    (x, y), (end_x, end_y) = start, corner
    share = min(CORNER / (abs(end_x - x) + abs(end_y - y)), 0.5)
    return end_x + (x - end_x) * share, end_y + (y - end_y) * share


def _at(point: Point) -> str:
    return f"{point[0]:g},{point[1]:g}"


def _box(node: Node, corner: Point) -> str:
    """A stage: twice where it runs for base and for tuned, with a dot where it may ask a model."""
    (x, y), (_, ink) = corner, COLOURS[node.phase]
    name = node.name.split("-", 1)[1]
    parts = [f"<g><title>{escape(node.name)}: {escape(node.question)}</title>"]
    if node.items:
        parts.append(_frame(x + 3, y - 3, ink))
    parts.append(_frame(x, y, ink))
    middle = f'x="{x + BOX / 2:g}" y="{y + HEIGHT / 2 + 4.5:g}" text-anchor="middle"'
    parts.append(f'<text {middle} fill="{ink}">{escape(name)}</text>')
    if node.asks:
        parts.append(f'<circle cx="{x + BOX - 7:g}" cy="{y + 7:g}" r="3" fill="{ink}"/>')
    return "".join(parts) + "</g>"


def _frame(x: float, y: float, ink: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{BOX}" height="{HEIGHT}" rx="5" fill="#ffffff" stroke="{ink}"/>'


def _legend(top: float, twice: bool) -> str:
    said = "A \N{RIGHTWARDS ARROW} B: B reads what A makes, in the colour of A (left out: what other arrows imply)"
    said += "   dot: may ask a model"
    said += "   double: once for base, once for tuned" * twice
    return f'<text x="12" y="{top + 16:g}" fill="{INK}" font-size="12" xml:space="preserve">{said}</text>'
