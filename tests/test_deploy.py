"""What stands in `deploy/` is what this version understands: commands, variables, files, extras."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from annotary.server.settings import Settings
from annotary.store import choosing
from annotary.store.bucket import Bucket
from tests._server import SCRIPT, quiet_environment
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
PROGRAM = "/usr/local/bin/annotary"


def understood(*words: str) -> None:
    """Whether the command line knows these words; nothing is carried out."""
    done = subprocess.run(
        [SCRIPT, *words, "--help"], capture_output=True, text=True, env=quiet_environment(), check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return services


def test_every_command_is_one(services: dict[str, Any]) -> None:
    ours = {name: one for name, one in services.items() if one["image"] == "annotary"}
    assert ours.keys() == {"migrate", "server", "worker"}
    for one in ours.values():
        understood(*one["command"])
    for unit in UNITS:
        (line,) = re.findall(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE)
        program, *words = shlex.split(line)
        assert program == PROGRAM
        understood(*words)
    lines = re.findall(r'^CMD \["(.+)"\]$', (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    understood(*lines[-1].split('", "'))


def test_every_variable_is_read() -> None:
    read = {
        "ANNOTARY_AT",
        choosing.VARIABLE,
        *(f"ANNOTARY_{name.upper()}" for name in Settings.__struct_fields__),
    }
    for path in DEPLOY.iterdir():
        assert set(re.findall(r"ANNOTARY_[A-Z_]+", path.read_text())) <= read, path.name


def test_services_start_after_the_schema_is_there_and_end_in_their_time(services: dict[str, Any]) -> None:
    ended, healthy = {"condition": "service_completed_successfully"}, {"condition": "service_healthy"}
    assert services["migrate"]["depends_on"] == {"database": healthy, "make-bucket": ended}
    assert services["make-bucket"]["depends_on"] == {"bucket": healthy}
    for name in ("server", "worker"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert services[name]["stop_grace_period"] == "30s"
    assert services["server"]["ports"] == ["127.0.0.1:8100:8100"], "not for everybody unless somebody says so"


def test_images_are_of_a_version_and_nobody_is_root(services: dict[str, Any]) -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    named = [
        *re.findall(r"^FROM (\S+)", text, re.MULTILINE),
        *(one["image"] for one in services.values() if one["image"] != "annotary"),
    ]
    assert all(re.search(r":\d", image) for image in named), named
    last = text.rpartition("\nFROM ")[2]
    assert "\nUSER annotary\n" in last
    assert last.index("USER annotary") < last.index("ENTRYPOINT")


def test_the_bucket_is_one_that_is_made_and_only_its_user_gets_in(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = services["server"]["environment"]
    (address,) = re.findall(r":-(s3://\S+)\}$", told["ANNOTARY_BLOBS"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert Bucket(address).shown == address
    assert f"-name {address.split('/')[2]}'" in services["make-bucket"]["entrypoint"][-1]
    assert "ports" not in services["bucket"]
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["configs"]["s3"]["content"]
    (one,) = json.loads(content)["identities"]
    (pair,) = one["credentials"]
    assert pair == {"accessKey": told["AWS_ACCESS_KEY_ID"], "secretKey": told["AWS_SECRET_ACCESS_KEY"]}
    assert pair["secretKey"].endswith(":?give a secret}")


def test_what_is_built_is_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    (copied,) = re.findall(r"^COPY (pyproject.toml .+) \./$", text, re.MULTILINE)
    assert all((ROOT / name).is_file() for name in copied.split())
    (extras,) = re.findall(r'"\.\[(.+)\]"', text)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) == known.keys(), "the image has everything that can be installed"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on this machine: the units are not verified here")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace(PROGRAM, shutil.which("true") or "/bin/true"))
    done = subprocess.run([program, "verify", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
