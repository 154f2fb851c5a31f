"""Wiring only: what a skip may mean, how hypothesis draws, and figures worth reading at the end of a run."""

import os
from collections.abc import Callable, Generator

import pytest
from hypothesis import HealthCheck, settings

# Simulators and fsync make single examples slow on a loaded machine; the count of examples bounds a run instead.
_SLOW_MACHINE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=100, **_SLOW_MACHINE)
# The same examples every time; ``make test`` on a desk draws others, and more of them.
settings.register_profile("ci", max_examples=60, derandomize=True, print_blob=True, **_SLOW_MACHINE)
# Beside one of the others, with another version of a dependency.
settings.register_profile("few", max_examples=10, derandomize=True, **_SLOW_MACHINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

_FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = []


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """``figure("1,234 of 1,234 …")`` puts a measured line at the end of the run's report."""
    return request.config.stash[_FIGURES].append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[_FIGURES]:
        terminalreporter.write_line(f"figure: {line}")


def _absent_peer_fails(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Where peers are promised (CI), a skip for an absent one is a failure."""
    if os.environ.get("TILLBELL_REQUIRE_PEERS") and report.skipped and "absent peer" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{report.longrepr} — but TILLBELL_REQUIRE_PEERS is set"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _absent_peer_fails(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _absent_peer_fails(report)
    return report
