"""``make up``: Airflow's UI with the example DAGs, everything below .demo/, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from demo_tables import print_table
from examples import EXAMPLES, Example
from signals import exit_on_signals
from stack import ROOT, USER, Stack, StackError, example_environment, explain
from wta_data import find_matches

HOME = ROOT / ".demo"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=_port, default=8080, help="of the UI (default: 8080)")
    asked = parser.parse_args()
    exit_on_signals()
    try:
        _run(asked.port)
    except (StackError, OSError) as error:
        print(explain(error, HOME), file=sys.stderr)
    return 1


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is no port: take a number from 1 to 65535, as in make up PORT=9090")


def _run(port: int) -> NoReturn:
    matches, what = find_matches(HOME / "synthetic-matches")
    environment = example_environment(matches, HOME)
    stack = Stack(HOME / "airflow", ROOT / "dags", port=port, extra=environment, say=_say)
    print(f"data     {what}")
    print(f"starting Airflow on {stack.url} (another port: make up PORT=9090); about a minute", flush=True)
    with stack:
        for dag in (dag for example in EXAMPLES.values() for dag in example.dags):
            stack.wait_for_dag(dag)
        print()
        print_table([("example", "open", "needs"), *listed(stack.url)], left=3)
        print(f"\nlogin    {USER}\npassword {stack.password}\nstop     Ctrl-C", flush=True)
        assert stack.process is not None
        stack.process.wait()
        raise StackError(f"Airflow ended. {stack.last_lines()}")


def listed(url: str) -> list[tuple[str, str, str]]:
    """Each example, where its DAGs are, and what it needs besides."""
    return [
        (name, f"{url}/dags/{dag}", _needs(example)) if dag == example.dags[0] else ("", f"{url}/dags/{dag}", "")
        for name, example in EXAMPLES.items()
        for dag in example.dags
    ]


def _needs(example: Example) -> str:
    if example.lacks:
        return f"{example.lacks}; then make up again"
    return f"run {example.after} first, for a champion" if example.after else ""


def _say(text: str) -> None:
    print(f"         {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
