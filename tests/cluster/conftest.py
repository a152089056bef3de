"""A Ray cluster on this machine: a head node without processors, and two nodes of one processor each."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
    # On busy machines its processes start slowly.
    "RAY_agent_register_timeout_ms": "120000",
    "RAY_raylet_start_wait_time_s": "120",
}
_PORTS = (
    "metrics_agent_port",
    "metrics_export_port",
    "dashboard_agent_listen_port",
    "runtime_env_agent_port",
)


def _ports() -> dict[str, int]:
    """Free ports: with ports given, nodes start without waiting for their agents."""
    with ExitStack() as held:
        free = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in _PORTS]
        return {name: one.getsockname()[1] for name, one in zip(_PORTS, free, strict=True)}


class Nodes:
    """The cluster.

    Attributes:
        on: The value of `--on`.
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.on = f"ray:{cluster.address}"

    def add(self, processors: int = 1, wait: bool = True, **settings: Any) -> Any:
        """Start a node."""
        memory = 80 * 2**20
        return self._cluster.add_node(
            num_cpus=processors, object_store_memory=memory, wait=wait, **_ports(), **settings
        )

    def kill(self, node: Any) -> None:
        """Kill a node by the number of its process; its workers end with it."""
        for raylet in node.all_processes.get("raylet", ()):
            os.kill(raylet.process.pid, signal.SIGKILL)
        self._cluster.remove_node(node)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """The cluster; its death of nodes is noticed within seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        quick = {"health_check_period_ms": 1000, "health_check_timeout_ms": 5000}
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80 * 2**20, **_ports()}
        cluster = Cluster(initialize_head=True, head_node_args={**head, "_system_config": quick})
        try:
            found = Nodes(cluster)
            for _ in range(2):
                found.add(wait=False)
            cluster.wait_for_nodes()
            yield found
        finally:
            cluster.shutdown()
