"""What replies cost: by conf, by litellm's list, or unknown."""

import pytest

from tests.conftest import spec
from tunewright import prices
from tunewright.models import Price, Reply


@pytest.fixture
def listed(monkeypatch):
    entries = {
        "openai/dear": {"input_cost_per_token": 2e-6, "output_cost_per_token": 1e-5},
        "plain": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
        "ollama/free": {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
    }
    monkeypatch.setattr(prices, "_price_list", lambda: entries)
    prices._listed.cache_clear()
    yield
    prices._listed.cache_clear()


def test_conf_goes_before_the_list_and_the_list_is_looked_up_with_and_without_the_provider(listed):
    own = Price(input_usd_per_mtok=3, output_usd_per_mtok=15)
    assert prices.usd_of(spec("openai/dear", price=own), 1000, 200) == pytest.approx(0.006)
    assert prices.usd_of(spec("openai/dear"), 1000, 200) == pytest.approx(0.004)
    assert prices.usd_of(spec("anthropic/plain"), 1000, 200) == pytest.approx(0.0014)


def test_a_price_that_is_not_listed_or_listed_as_nothing_is_unknown(listed):
    assert prices.usd_of(spec("openai/other"), 1, 1) is None
    assert prices.usd_of(spec("ollama/free"), 1, 1) is None


def test_a_reply_without_counts_has_no_known_cost(listed):
    assert prices.cost_usd(spec("openai/dear"), Reply(text="x", prompt_tokens=5)) is None


def test_the_list_comes_with_litellm_and_gives_what_litellm_gives():
    import litellm

    for model in ("anthropic/claude-haiku-4-5", "gemini/gemini-2.5-pro"):  # one dearer above 200k tokens
        found = prices.usd_of(spec(model), 300_000, 100)
        assert found == pytest.approx(sum(litellm.cost_per_token(model, prompt_tokens=300_000, completion_tokens=100)))
        assert found
