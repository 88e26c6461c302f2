"""The first operations of a process, several threads at once."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, threading
from annotary.engine.core import Engine
from annotary.errors import AnnotaryError
from annotary.model.export import ExportQuery, ProjectScope
from annotary.operations.looking import DescribeLosses, PreviewExport
from annotary.store import Store

sys.setswitchinterval(1e-7)
engine = Engine(Store.open(sys.argv[1]))
query = ExportQuery(scope=ProjectScope(id="nothing"))
together = threading.Barrier(6)

def ask(operation):
    together.wait()
    try:
        engine.call(operation)
    except AnnotaryError as error:
        print(error)

operations = [DescribeLosses(query=query), PreviewExport(query=query)] * 3
threads = [threading.Thread(target=ask, args=(one,)) for one in operations]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
engine.close()
"""


def test_types_that_several_threads_meet_first_are_known_beforehand(tmp_path: object) -> None:
    """Without that, two of five such processes died of a segmentation fault inside msgspec."""
    for _ in range(8):
        command = [sys.executable, "-c", PROGRAM, f"{tmp_path}/store"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("nothing") == 6
