"""A fake Hub that the real huggingface_hub client of this process talks to."""

import pytest

from bench.fake_hub import FakeHub


@pytest.fixture
def fake_hub(monkeypatch):
    """A running fake Hub; HF_ENDPOINT and HF_TOKEN name it and its writer. Set `play` before a job is submitted."""
    from huggingface_hub import constants

    with FakeHub() as hub:
        for name, value in hub.environment(hub.writer).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # another test of this process may have set it
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield hub
