"""CPU of a triggerer's process for many sensors that wait for many partitions of one dataset on a local disk.

python tests/benchmarks/waiting.py --sensors 1000 --partitions 1000
"""

import argparse
import asyncio
import contextlib
import os
import tempfile
import time
from pathlib import Path

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.triggers.partition import PartitionTrigger


async def wait(triggers):
    async def one(trigger):
        async for event in trigger.run():
            return event.payload["status"]

    return await asyncio.gather(*(one(trigger) for trigger in triggers))


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sensors", type=int, default=1000)
    asked.add_argument("--partitions", type=int, default=1000)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--interval", type=float, default=20)
    asked.add_argument("--stable-for", type=float)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.partitions):
            (Path(folder) / f"part_{number}.csv").write_text("id\n1\n")
        dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv").to_dict()
        deadline = time.time() + given.interval * (given.rounds - 0.5)
        triggers = [
            PartitionTrigger(
                dataset=dataset,
                partitions=f"0..{given.partitions}",  # one more than there are
                stable_for=given.stable_for,
                poke_interval=given.interval,
                deadline=deadline,
            )
            for _ in range(given.sensors)
        ]
        began = time.process_time()
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # Airflow logs each look
            answers = asyncio.run(wait(triggers))
        used = time.process_time() - began
    assert set(answers) == {"timeout"}, set(answers)
    # The last look of each, at the deadline, is a round more.
    rounds = given.rounds + 1
    print(f"{given.sensors} sensors x {given.partitions} partitions: {used / rounds:.2f} s of CPU a round ({rounds})")


if __name__ == "__main__":
    main()
