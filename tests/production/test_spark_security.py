"""A Spark master inside the task: what other users of the machine can do with it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from commands import run_command
from support import ROOT

pytestmark = pytest.mark.production

#: Asks every socket of the JVM for a block, as an executor would, and prints the kinds of the answers.
_LOOK = """
import os, socket, struct, sys
sys.path[:0] = [{tests!r}]
import psutil
from airflow_batchscore import Spark

def text(value):
    return struct.pack(">i", len(value)) + value

OPEN_BLOCKS = b"\\x00" + text(b"x") + text(b"driver") + struct.pack(">i", 1) + text(b"broadcast_0_piece0")
RPC_REQUEST, RPC_RESPONSE = 3, 4
REQUEST = struct.pack(">qbqi", 21 + len(OPEN_BLOCKS), RPC_REQUEST, 1, len(OPEN_BLOCKS)) + OPEN_BLOCKS

def answer(port):
    with socket.create_connection(("127.0.0.1", port), 10) as stream:
        stream.sendall(REQUEST)
        stream.settimeout(5)
        try:
            got = stream.recv(100)
        except OSError:
            return None
    return got[8] if len(got) > 8 else None

engine = Spark(master={master!r}, config={config!r})
with engine.session() as session:
    print(sorted(session.run(len, [("abc",), ("de",)])))
    jvms = [child for child in psutil.Process().children(recursive=True) if child.name() == "java"]
    ports = [c.laddr.port for jvm in jvms for c in jvm.net_connections("inet") if c.status == "LISTEN"]
    hosts = {{c.laddr.ip for jvm in jvms for c in jvm.net_connections("inet") if c.status == "LISTEN"}}
    print(len(ports), hosts, RPC_RESPONSE in [answer(port) for port in ports])
    print([word in " ".join(jvm.cmdline()) for jvm in jvms for word in ("canary", "spark.executor.memory")])
    context = session._connection.getConf()
    print(context.get("spark.hadoop.fs.s3a.secret.key"), context.get("spark.app.name"))
"""


def _look(master: str | None, config: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = _LOOK.format(tests=str(ROOT / "tests"), master=master, config=config)
    return run_command([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("named", ["as the master", "in the config"])
def test_a_local_master_serves_no_one_without_its_secret_and_shows_none(named: str) -> None:
    config = {"spark.hadoop.fs.s3a.secret.key": "canary", "spark.executor.memory": "512m"}
    master = "local[2]" if named == "as the master" else None
    done = _look(master, config if master else {**config, "spark.master": "local[2]"})
    assert done.stdout.splitlines() == [
        "[2, 3]",
        "3 {'::ffff:127.0.0.1'} False",
        "[False, True]",
        "canary airflow-batchscore",
    ], done.stderr[-3000:]


OFF = {"spark.authenticate": "false", "spark.network.crypto.enabled": "false"}


@pytest.mark.parametrize(("master", "config"), [(None, {}), ("local[2]", OFF)])
def test_a_local_master_without_a_secret_is_refused(master: str | None, config: dict[str, str]) -> None:
    done = _look(master, config)
    assert "EngineError: Spark started local[" in done.stderr
    assert "open to all users of this machine. Name the master" in done.stderr
