"""The client: what a Python program holds, whatever it is pointed at."""

from __future__ import annotations

from annotary.client.exports import ExportTask
from annotary.client.handles import Client, DatasetHandle, ModelRunHandle, ProjectHandle
from annotary.client.port import Port

__all__ = ["Client", "DatasetHandle", "ExportTask", "ModelRunHandle", "Port", "ProjectHandle"]
