"""Fixtures that several files of tests use."""

import gc
import os
import shutil
from collections import defaultdict
from zlib import crc32

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from support.appliances.api import make_tunnel
from support.appliances.deployed import Deployed
from support.processes import prepared
from support.processes.reaper import reaped
from support.servers.zones import Zones

# Workers of pytest-xdist are below the process that has this parent already.
if "PYTEST_XDIST_WORKER" not in os.environ:
    reaped()

FEW = 1000
"""Tests; where fewer are asked for, each of their cases is wanted."""

# How long an example takes says more of what else the machine does than of the code.
hypothesis_settings.register_profile(
    "patient", hypothesis_settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("patient")


def pytest_configure(config):
    """Let all workers share one server of prepared processes; without workers it is started when it is needed."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ.pop(prepared.SERVER, None)
        if config.getoption("numprocesses", None):
            prepared.serve()


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage while the tests are collected, and never among them: they live as long as this process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config, items):
    """Leave out what needs root where there is none, but not in continuous integration; and what no package brings."""
    if os.geteuid() != 0 and not os.environ.get("CI"):
        leave_out(config, items, "root")
    if shutil.which("accel-pppd", path=f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin") is None:
        leave_out(config, items, "accel_ppp")
    if not os.environ.get("CI") and len(items) > FEW:
        leave_out_cases(config, items)


def pytest_terminal_summary(terminalreporter):
    """Show why what was run once more failed before: the second run may say nothing, or something else."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.write_sep("_", f"first failure of {report.nodeid}", yellow=True, bold=True)
        terminalreporter.write_line(report.longreprtext)
        for title, text in report.sections:
            terminalreporter.write_sep("-", title)
            terminalreporter.write_line(text)


def leave_out(config, items, marker):
    deselect(config, items, {item.nodeid for item in items if item.get_closest_marker(marker)})


def leave_out_cases(config, items):
    """Leave so many cases of a test that is marked ``sampled``, evenly spread. Which comes first depends on its name."""
    cases = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled"):
            cases[item.nodeid.partition("[")[0]].append(item)
    left_out = set()
    for name, found in cases.items():
        (wanted,) = found[0].get_closest_marker("sampled").args
        begin = crc32(name.encode())
        kept = {(begin + number * len(found) // wanted) % len(found) for number in range(wanted)}
        left_out |= {item.nodeid for place, item in enumerate(found) if place not in kept}
    deselect(config, items, left_out)


def deselect(config, items, names):
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in names])
    items[:] = [item for item in items if item.nodeid not in names]


def pytest_runtest_setup(item):
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.fail("this test needs root, and continuous integration is to have it", pytrace=False)


@pytest.fixture(scope="session")
def zones(tmp_path_factory):
    """DNS servers with zones, shared by the tests of a process, which take zones of their own."""
    made = Zones(tmp_path_factory.mktemp("zones"))
    yield made
    made.close()


@pytest.fixture
def appliance(tmp_path, monkeypatch):
    """An empty appliance with toyd on PATH; a test writes settings and installs plugins."""
    made = Deployed(tmp_path)
    monkeypatch.setenv("PATH", made.path)
    yield made
    made.close()


@pytest.fixture
def tunnel(appliance):
    """An appliance with the module `tunnel`, whose daemon runs and serves."""
    make_tunnel(appliance)
    return appliance
