"""Models that a policy names to be asked in another's place: known, still answering, and for how long."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard import Guard, SetupError
from guard.cli.main import _verbs, app
from guard.policy.providers import Provider
from guard.policy.traffic import Traffic
from guard.traffic.targets import ending, problems
from guard.wire.models import SHUTDOWNS

LAST = SHUTDOWNS["gpt-4o"].date


def traffic(models: list[str], **more: object) -> Traffic:
    return Traffic.model_validate({"fallbacks": {"m": tuple(models)}, **more})


def test_a_model_past_its_shutdown_may_not_be_asked() -> None:
    """From the day on; a fine-tuned one stops with its base; an own price is a statement of one's own."""
    assert list(problems(traffic(["gpt-4o"]), LAST - timedelta(days=1))) == []
    [problem] = problems(traffic(["gpt-4o"]), LAST)
    assert problem.startswith(f"traffic.fallbacks.m: gpt-4o stopped answering on {LAST}: name ")
    assert len([*problems(traffic(["ft:gpt-4o:acme::x"]), LAST)]) == 1
    own = traffic(["gpt-4o"], budget={"prices": {"gpt-4o": {"input": 1}}})
    assert list(problems(own, LAST)) == []


def test_a_model_that_nobody_knows_may_not_be_asked() -> None:
    """It would answer nothing when it is needed."""
    [problem] = problems(traffic(["gpt-4o", "nobody-knows"]), LAST - timedelta(days=1))
    assert problem.startswith("traffic.fallbacks.m: nobody-knows is not known: write it with its price")


def test_the_cheaper_model_counts_too() -> None:
    """`traffic.budget.then.use` is asked when money is short: no day to find that it is gone."""
    then = Traffic.model_validate({"budget": {"then": {"use": "gpt-4o"}, "usd_per_day": 1}})
    assert next(problems(then, LAST)).startswith("traffic.budget.then.use: gpt-4o stopped answering")


@pytest.mark.parametrize(("ahead", "told"), [(91, 0), (90, 1), (1, 1), (0, 0)])
def test_a_shutdown_is_told_ninety_days_ahead(ahead: int, told: int) -> None:
    """Of those that are asked, and of those in whose place another is."""
    assert len([*ending(traffic(["gpt-4o"]), LAST - timedelta(days=ahead))]) == told
    both = Traffic.model_validate({"fallbacks": {"gpt-4o": ("m",)}})
    assert len([*ending(both, LAST - timedelta(days=ahead))]) == told


@pytest.mark.parametrize(("api", "told"), [("openai", 1), ("azure", 0), ("vllm", 0)])
def test_dates_of_openai_say_nothing_of_anothers_model(api: str, told: int) -> None:
    """A deployment may be called as the model that it once was; at OpenAI by another name it is that model."""
    url = "https://acme.openai.azure.com/openai/v1" if api == "azure" else ""
    providers = {"p": Provider(api=api, url=url, models=("gpt-4o",))}  # type: ignore[arg-type]
    for model in ("gpt-4o", "p/gpt-4o"):
        assert len([*ending(traffic([model]), LAST - timedelta(days=1), providers)]) == told
        assert len([*problems(traffic([model]), LAST, providers)]) == told


@pytest.fixture(scope="module", autouse=True)
def verbs() -> None:
    """The command line with its verbs."""
    _verbs()


def policy(tmp_path: Path, model: str) -> str:
    path = tmp_path / "p.yaml"
    path.write_text(
        "policy: p\nmoderation: {by: 'off'}\nrecognizers: {presidio: {recognizers: []}}\n"
        f"traffic:\n  fallbacks: {{m: [{model}]}}\n"
    )
    return str(path)


def test_check_and_start_refuse_what_has_stopped(tmp_path: Path) -> None:
    """With file, line and key; text-davinci-003 has been gone since 2024."""
    path = policy(tmp_path, "text-davinci-003")
    result = CliRunner().invoke(app, ["policy", "check", path])
    assert result.exit_code == 2
    assert "p.yaml:5:traffic.fallbacks.m: text-davinci-003 stopped answering on 2024-01-04: " in result.output
    with pytest.raises(SetupError, match="text-davinci-003 stopped answering on 2024-01-04: name "):
        Guard.from_policy(path)


def test_check_and_doctor_say_what_ends_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each, which fails nothing."""
    soon = date.today() + timedelta(days=30)
    monkeypatch.setitem(SHUTDOWNS, "gpt-4.1-mini", SHUTDOWNS["gpt-4o"].__class__("gpt-4.1-mini", soon, "x"))
    path = policy(tmp_path, "gpt-4.1-mini")
    checked = CliRunner().invoke(app, ["policy", "check", path, "--json"])
    assert checked.exit_code == 0
    line = f"gpt-4.1-mini stops answering on {soon}, in 30 days: name x"
    assert f"traffic: {line}" in json.loads(checked.output)["warnings"]
    looked = CliRunner().invoke(app, ["doctor", "--policy", path, "--json"])
    rows = {check["name"]: check for check in json.loads(looked.output)["checks"]}
    assert (rows["models"]["state"], rows["models"]["what"]) == ("look", line)
