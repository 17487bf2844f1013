"""An engine that scores each block in a Python process of its own."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from airflow_batchscore.engine.base import Engine, WorkerLostError

WORKER = """
import pickle, sys
answers, sys.stdout = sys.stdout.buffer, sys.stderr
function, argument = pickle.load(sys.stdin.buffer)
try:
    answer = function(*argument), None
except Exception as error:
    answer = None, error
pickle.dump(answer, answers)
"""


@dataclass(frozen=True)
class Processes(Engine):
    at_once: int = 2
    block_memory = None  # how much of it a block may use is not known

    def describe(self):
        return {"engine": "Processes", "at_once": self.at_once}

    @contextmanager
    def session(self, slots=1):
        yield self  # nothing to start or stop, so the engine is its own session

    def run(self, function, arguments, *, remote=False):
        with ThreadPoolExecutor(self.at_once) as threads:
            yield from threads.map(lambda argument: self.call(function, argument), arguments)

    def call(self, function, argument):
        data = pickle.dumps((function, argument))
        done = subprocess.run([sys.executable, "-c", WORKER], input=data, stdout=subprocess.PIPE)
        if done.returncode:
            raise WorkerLostError.of(argument, "its process", "Run fewer at once")
        result, error = pickle.loads(done.stdout)
        if error:
            raise error
        return result
