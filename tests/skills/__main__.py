"""`make skills-check`: what the skills name against what the repository has; exit code 1 on a fault."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from tests.skills.checking import check_skills, show
from tests.skills.repository import Repository

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Check the skills of this repository and print the tables."""
    console = Console() if sys.stdout.isatty() else Console(width=160)
    return 1 if show(check_skills(ROOT / ".claude/skills", Repository(ROOT, thorough=True)), console) else 0


if __name__ == "__main__":
    sys.exit(main())
