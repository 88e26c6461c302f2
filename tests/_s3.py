"""S3 servers of one's own: on loopback, gone with the process that asked.

`moto` is there wherever the development's packages are, and checks who asks and every signature but those of
signed URLs, which it refuses then; `open` is the same without checks. `s3rver` is another implementation, in
Node, that `scripts/s3rver.sh` installs. Run as a program, this file is the keeper of one of them, and ends
soon after its owner.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

HOST = "127.0.0.1"
BUCKET = "annotary-tests"
S3RVER = Path(__file__).parent.parent / ".s3rver"
START_SECONDS = 60.0
_OPEN = 4
"""So many requests moto carries out for everybody: those that make the account and the bucket."""
_POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
_NODE = """
const S3rver = require("s3rver");
const [address, port, directory, name] = process.argv.slice(1);
const options = {address, port, directory, silent: true, configureBuckets: [{name}]};
new S3rver(options).run().then(() => console.log("ready"));
"""


class Unavailable(Exception):
    """This machine cannot run such a server; the message says why."""


def shared_s3(kind: str, folder: Path, *, owner: int, host: str = HOST) -> Mapping[str, str]:
    """The environment that reaches the one server of a kind of all processes that name the same `folder`."""
    import fcntl

    noted = folder / f"{kind}.json"
    with (folder / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not noted.exists():
            _start(kind, owner, noted, host)
    found: dict[str, str] = json.loads(noted.read_text())
    return found


def _start(kind: str, owner: int, noted: Path, host: str) -> None:
    if kind == "s3rver":
        if not shutil.which("node"):
            raise Unavailable("s3rver needs Node.js, and there is no node on PATH")
        if not S3RVER.is_dir():
            raise Unavailable("s3rver is not installed: scripts/s3rver.sh does that with npm")
    log = noted.with_suffix(".log")
    written = (os.O_WRONLY | os.O_CREAT, 0o600)
    keeper = os.posix_spawn(
        sys.executable,
        [sys.executable, "-W", "ignore", str(Path(__file__).resolve()), kind, str(owner), str(noted), host],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            *((os.POSIX_SPAWN_OPEN, place, str(log), *written) for place in (1, 2)),
        ],
        setsid=True,  # an interrupt at the terminal is for the owner
    )
    deadline = time.monotonic() + START_SECONDS
    while not noted.exists():
        if os.waitpid(keeper, os.WNOHANG)[0] or time.monotonic() > deadline:
            raise RuntimeError(f"{kind} did not start:\n{log.read_text()}")
        time.sleep(0.02)


@contextlib.contextmanager
def temporary_bucket(environment: Mapping[str, str], url: str = f"s3://{BUCKET}") -> Iterator[str]:
    """A prefix that nobody else uses, as the place of every store that is made within a `with` block.

    Within this process all masks but the smallest go there.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr("annotary.store.blobs.SMALL", 64)
        place = f"{url}/{uuid4().hex[:16]}"
        patch.setenv("ANNOTARY_BLOBS", place)
        yield place


# -- the keeper ------------------------------------------------------------------------------------


def _keep(kind: str, owner: int, noted: Path, host: str) -> None:
    with tempfile.TemporaryDirectory(prefix="annotary-s3-") as folder:
        environment, stop = _KINDS[kind](folder, host)
        half = noted.with_suffix(".half")
        half.write_text(json.dumps(environment | {"AWS_REGION": "us-east-1"}))
        half.replace(noted)
        while _is_alive(owner):
            time.sleep(0.5)
        stop()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def _strict(folder: str, host: str) -> tuple[dict[str, str], Callable[[], object]]:
    os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = str(_OPEN)
    return _moto(folder, host)


def _moto(folder: str, host: str) -> tuple[dict[str, str], Callable[[], object]]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address=host, port=_free_port(host), verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    anybody = {"endpoint_url": address, "region_name": "us-east-1"}
    anybody |= {"aws_access_key_id": "anybody", "aws_secret_access_key": "anybody"}
    iam = boto3.client("iam", **anybody)
    iam.create_user(UserName="tests")
    iam.put_user_policy(UserName="tests", PolicyName="all", PolicyDocument=json.dumps(_POLICY))
    key = iam.create_access_key(UserName="tests")["AccessKey"]
    boto3.client("s3", **anybody).create_bucket(Bucket=BUCKET)
    return _reached(address, key["AccessKeyId"], key["SecretAccessKey"]), server.stop


def _s3rver(folder: str, host: str) -> tuple[dict[str, str], Callable[[], object]]:
    port = _free_port(host)
    server = subprocess.Popen(
        ["node", "-e", _NODE, host, str(port), folder, BUCKET],
        cwd=S3RVER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    watch = threading.Timer(START_SECONDS, server.kill)
    watch.start()
    if server.stdout.readline() != "ready\n":
        raise RuntimeError("s3rver did not start")
    watch.cancel()
    return _reached(f"http://{host}:{port}", "S3RVER", "S3RVER"), server.kill


_KINDS: dict[str, Callable[[str, str], tuple[dict[str, str], Callable[[], object]]]] = {
    "moto": _strict,
    "open": _moto,
    "s3rver": _s3rver,
}


def _reached(address: str, key: str, secret: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Keep an S3 server for a process.")
    parser.add_argument("kind", choices=_KINDS)
    parser.add_argument("owner", type=int)
    parser.add_argument("noted", type=Path, help="where what reaches the server is to be written")
    parser.add_argument("host", help="the address to listen on")
    _keep(**vars(parser.parse_args()))
