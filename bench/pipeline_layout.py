"""Where the stages of a pipeline stand in a picture, and which way the arrows go.

Each phase is a band; a stage stands right of those of its band that it needs. Arrows inside a band run from left to
right. Arrows between bands run in the gutters between them, one lane for each stage that they start from, and round
the left side where bands lie between. A stage that has others above it is reached from its left, through the gap
between columns, and left the same way on its right where others stand below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx

from bench.pipeline_graph import Node, reduced

BOX, HEIGHT = 108, 30  # px of a stage
GAP, ROW_GAP = 28, 14  # between columns and between rows
TURN, TURNS = 10, 7  # where an arrow turns before a stage, and how much earlier it does for each row that it comes from
GUTTER, LANE = 16, 9  # a gutter without lanes, and what each lane adds
LEFT, TOP = 114, 10  # room for the bands' names and the lanes at their left

Point = tuple[float, float]
Edge = tuple[str, str]


@dataclass(frozen=True)
class Layout:
    """Upper left corners of stages, top and bottom of bands; arrows: from what to what, and the points between."""

    boxes: dict[str, Point]
    bands: dict[str, tuple[float, float]]
    edges: list[Edge]
    arrows: list[list[Point]]  # of each edge
    width: float
    height: float


def layout(nodes: Sequence[Node], phases: Sequence[str]) -> Layout:
    """The whole picture's geometry; the same nodes give the same numbers."""
    graph = reduced(nodes)
    cells = {phase: cells_of(graph, [n.name for n in nodes if n.phase == phase]) for phase in phases}
    edges = [edge for node in nodes for edge in graph.in_edges(node.name)]
    far = [edge for edge in edges if _phase(edge[0]) != _phase(edge[1])]
    routes = Routes(phases, cells, far)
    arrows = [routes.between(edge) if edge in far else routes.inside(edge) for edge in edges]
    width = max(x for x, _ in routes.boxes.values()) + BOX + TOP
    return Layout(routes.boxes, routes.bands, edges, arrows, width, routes.bands[phases[-1]][1] + TOP)


def cells_of(graph: nx.DiGraph, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Column and row of each stage of a band; those on which most depends get the upper rows."""
    inner = graph.subgraph(names)
    columns: dict[str, int] = {}
    for name in nx.lexicographical_topological_sort(inner, key=names.index):
        columns[name] = 1 + max((columns[need] for need in inner.predecessors(name)), default=-1)
    found: dict[str, tuple[int, int]] = {}
    for name in sorted(names, key=lambda n: (columns[n], -len(nx.descendants(graph, n)), names.index(n))):
        row = min((found[need][1] for need in inner.predecessors(name)), default=0)
        taken = {there[1] for other, there in found.items() if _covers(other, columns[name], columns, inner)}
        found[name] = columns[name], next(r for r in range(row, row + len(names)) if r not in taken)
    return found


def _covers(stage: str, column: int, columns: dict[str, int], inner: nx.DiGraph) -> bool:
    """Does a stage, or an arrow that runs on in its row, take this column of the row?"""
    until = max((columns[one] for one in inner.successors(stage)), default=0)
    return columns[stage] == column or columns[stage] < column < until


class Routes:
    """Boxes and bands in px, and the way of every arrow."""

    def __init__(
        self, phases: Sequence[str], cells: dict[str, dict[str, tuple[int, int]]], far: Sequence[Edge]
    ) -> None:
        self._phases, self._far = phases, far
        self._cells = {name: cell for band in cells.values() for name, cell in band.items()}
        self._lanes = [self._sources(gutter) for gutter in range(len(phases) + 1)]
        self._round = list(dict.fromkeys(a for a, b in far if len(set(self._gutters((a, b)))) > 1))
        self.bands: dict[str, tuple[float, float]] = {}
        self.boxes: dict[str, Point] = {}
        top = TOP + self._height(0)
        for number, phase in enumerate(phases, 1):
            rows = 1 + max(row for _, row in cells[phase].values())
            bottom = top + rows * (HEIGHT + ROW_GAP) + ROW_GAP
            self.bands[phase] = (top, bottom)
            for name, (column, row) in cells[phase].items():
                self.boxes[name] = (LEFT + column * (BOX + GAP), top + ROW_GAP + row * (HEIGHT + ROW_GAP))
            top = bottom + self._height(number)

    def inside(self, edge: Edge) -> list[Point]:
        """From the right side of one stage to the left side of another, with the turn in the gap before it."""
        (ax, ay), (bx, by) = self.boxes[edge[0]], self.boxes[edge[1]]
        start, end = (ax + BOX, ay + HEIGHT / 2), (bx, by + HEIGHT / 2)
        turn = bx - TURN - TURNS * self._cells[edge[0]][1]
        return [start, end] if ay == by else [start, (turn, start[1]), (turn, end[1]), end]

    def between(self, edge: Edge) -> list[Point]:
        """Out of a band, along a lane, round the left where a band lies between, and into the other band."""
        out, into = self._leave(edge), self._reach(edge)
        first, last = (self._lane(gutter, edge[0]) for gutter in self._gutters(edge))
        side = LEFT - GAP / 2 - LANE * self._round.index(edge[0]) if first != last else out[-1][0]
        way = [*out, (out[-1][0], first), (side, first), (side, last), (into[0][0], last), *into]
        return [point for number, point in enumerate(way) if point != way[number - 1]]

    def _leave(self, edge: Edge) -> list[Point]:
        (x, y), name = self.boxes[edge[0]], edge[0]
        down = self._down(edge)
        if self._in_the_way(name, down):
            return [(x + BOX, y + HEIGHT / 2), (x + BOX + TURN / 2, y + HEIGHT / 2)]
        return [(x + 0.75 * BOX, y + HEIGHT * down)]

    def _reach(self, edge: Edge) -> list[Point]:
        (x, y), name = self.boxes[edge[1]], edge[1]
        from_above = self._down(edge)
        if self._in_the_way(name, not from_above):
            apart = TURN / 2 + LANE / 2 * self._lanes[self._gutters(edge)[1]].index(edge[0])
            return [(x - apart, y + HEIGHT / 2), (x, y + HEIGHT / 2)]
        sources = [a for a, b in self._far if b == name]
        return [(x + BOX * (1 + sources.index(edge[0])) / (2 + len(sources)), y + HEIGHT * (not from_above))]

    def _in_the_way(self, name: str, below: bool) -> bool:
        """Does another stage of the band stand in this one's column, below or above it?"""
        column, row = self._cells[name]
        others = [r for other, (c, r) in self._cells.items() if c == column and _phase(other) == _phase(name)]
        return any(r > row if below else r < row for r in others)

    def _down(self, edge: Edge) -> bool:
        return self._number(edge[1]) > self._number(edge[0])

    def _gutters(self, edge: Edge) -> tuple[int, int]:
        """The gutter beside the band that an arrow leaves, and the one beside that which it reaches; n is above n."""
        down = self._down(edge)
        return self._number(edge[0]) + down, self._number(edge[1]) + (not down)

    def _sources(self, gutter: int) -> list[str]:
        return list(dict.fromkeys(edge[0] for edge in self._far if gutter in self._gutters(edge)))

    def _height(self, gutter: int) -> float:
        return GUTTER + LANE * len(self._lanes[gutter]) if self._lanes[gutter] else GUTTER / 2

    def _lane(self, gutter: int, source: str) -> float:
        above = self.bands[self._phases[gutter - 1]][1] if gutter else TOP
        return above + (GUTTER + LANE) / 2 + LANE * self._lanes[gutter].index(source)

    def _number(self, name: str) -> int:
        return self._phases.index(_phase(name))


def _phase(name: str) -> str:
    return name.split("-")[0]
