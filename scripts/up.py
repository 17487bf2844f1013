"""``make up``: Airflow's UI with the example DAGs, everything below .demo/, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys

from stack import ROOT, USER, Stack, StackError, example_environment
from wta_data import find_matches

HOME = ROOT / ".demo"


def main() -> int:
    matches, what = find_matches(HOME / "synthetic-matches")
    port = int(os.environ.get("PORT", "8080"))
    stack = Stack(HOME / "airflow", ROOT / "dags", port=port, extra=example_environment(matches, HOME))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"data     {what}\nstarting Airflow on {stack.url} (another port: make up PORT=9090) ...", flush=True)
    try:
        with stack:
            print(
                f"open     {stack.url}/dags/wta_batch_scoring\n"
                f"login    {USER}\npassword {stack.password}\nstop     Ctrl-C",
                flush=True,
            )
            assert stack.process is not None
            stack.process.wait()
            print(f"Airflow stopped; see {stack.home}/standalone.log", file=sys.stderr)
            return 1
    except StackError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
