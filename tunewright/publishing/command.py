"""`tunewright publish`: its options. What it does is in process.py, which needs the Hub's client."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tunewright.errors import MissingInputError

Only = Literal["all", "dataset", "model", "adapter", "merged", "gguf"]


def publish_command(
    only: Annotated[Only, typer.Option(help="what to publish; model: adapter, merged and gguf")] = "all",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show cards and files; nothing goes to the network")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="everybody can see it; private if left out")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    include_imported: Annotated[
        bool, typer.Option("--include-imported", help="publish what people said in imported logs too")
    ] = False,
    accept_personal_data: Annotated[
        bool, typer.Option("--accept-personal-data", help="publish the personal data that were found")
    ] = False,
    despite_decision: Annotated[
        bool, typer.Option("--despite-decision", help="publish a model that the evaluation says not to deploy")
    ] = False,
) -> None:
    """Put the dataset and the model on the Hugging Face Hub, with cards. Private, and never with a key in it."""
    require_packages()
    from tunewright.publishing.obstacles import Permissions
    from tunewright.publishing.process import publish, rehearse

    permissions = Permissions(include_imported, accept_personal_data, despite_decision)
    if dry_run:
        rehearse(only, permissions, public)
    else:
        publish(only, permissions, public, yes)


def require_packages() -> None:
    """Raise MissingInputError where the Hub's client is not installed."""
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise MissingInputError(f"publishing needs {error.name}; install it with: pip install -e '.[train]'") from None
