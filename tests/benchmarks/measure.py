"""Run one command and account for its whole process tree.

wall       monotonic seconds from fork to the exit of the command
cpu        user + system seconds of every process of the tree (the harness is a child
           subreaper, so orphaned daemons are reaped and counted too)
rss / pss  peak over time of the SUM over the tree (RSS counts shared pages once per
           process, PSS splits them; PSS is sampled less often)
foreign    CPU seconds burned on the machine by anybody else meanwhile (noise), and steal

usage: python measure.py [-n N] -- CMD ...
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
NCPU = os.cpu_count()


def machine_cpu():
    v = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    user, nice, sysm, idle, iowait, irq, soft, steal = v
    return (user + nice + sysm + irq + soft) / TICK, steal / TICK


class Patience:
    """The seconds that a whole benchmark may spend on waiting for a quiet machine and on repeating disturbed runs.

    When they are used up, runs are taken as they come, and the results say so.
    """

    def __init__(self, seconds):
        self.seconds = self.left = seconds
        self.repeated = 0

    def wait(self, limit=0.15, span=0.4):
        """Until others use less than `limit` of the machine over `span` seconds."""
        while self.left > 0:
            b0, s0 = machine_cpu()
            t0 = time.monotonic()
            time.sleep(span)
            b1, s1 = machine_cpu()
            seconds = time.monotonic() - t0
            if (b1 - b0 + s1 - s0) / (seconds * NCPU) < limit:
                return
            self.left -= seconds

    def may_repeat(self, seconds):
        """Whether a disturbed run of so many seconds may be repeated; counts them if so."""
        if self.left < seconds:
            return False
        self.left -= seconds
        self.repeated += 1
        return True


def tree(root_parent):
    """All live descendants of this process."""
    kids = {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            try:
                s = open(f"/proc/{d}/stat", "rb").read()
            except OSError:
                continue
            rest = s[s.rindex(b")") + 2 :].split()
            kids.setdefault(int(rest[1]), []).append(int(d))
    out, todo = [], [root_parent]
    while todo:
        for k in kids.get(todo.pop(), ()):
            out.append(k)
            todo.append(k)
    return out


class Sampler(threading.Thread):
    def __init__(self, fast=0.04, slow=0.3):
        super().__init__(daemon=True)
        self.fast, self.slow = fast, slow
        self.stop = threading.Event()
        self.rss = self.pss = self.nproc = 0
        self.cpu = {}

    def run(self):
        me, pids, nxt = os.getpid(), [], 0.0
        while not self.stop.is_set():
            now = time.monotonic()
            if now >= nxt:
                pids = tree(me)
                nxt = now + self.slow
                pss = 0
                for p in pids:
                    try:
                        for line in open(f"/proc/{p}/smaps_rollup"):
                            if line.startswith("Pss:"):
                                pss += int(line.split()[1]) * 1024
                                break
                        s = open(f"/proc/{p}/stat", "rb").read()
                        rest = s[s.rindex(b")") + 2 :].split()
                        self.cpu[p] = (int(rest[11]) + int(rest[12])) / TICK
                    except OSError:
                        pass
                self.pss = max(self.pss, pss)
                self.nproc = max(self.nproc, len(pids))
            rss = 0
            for p in pids:
                try:
                    rss += int(open(f"/proc/{p}/statm").read().split()[1]) * PAGE
                except OSError:
                    pass
            self.rss = max(self.rss, rss)
            self.stop.wait(self.fast)


def run(cmd, env=None, timeout=900, log=None):
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    full = dict(os.environ)
    full.update(env or {})
    fd, stats = tempfile.mkstemp()
    os.close(fd)
    full["BENCH_STATS"] = stats
    logf = open(log or os.devnull, "ab")
    sampler = Sampler()
    b0, s0 = machine_cpu()
    me0 = os.times()
    t0 = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.dup2(logf.fileno(), 1)
            os.dup2(logf.fileno(), 2)
            os.execvpe(cmd[0], cmd, full)
        finally:
            os._exit(127)
    sampler.start()
    killer = threading.Timer(timeout, lambda: os.killpg(pid, signal.SIGKILL))
    killer.start()
    user = sysm = 0.0
    rc = wall = None
    maxrss = 0
    while True:
        try:
            p, st, ru = os.wait4(-1, 0)
        except ChildProcessError:
            break
        user += ru.ru_utime
        sysm += ru.ru_stime
        maxrss = max(maxrss, ru.ru_maxrss * 1024)
        if p == pid:
            wall = time.monotonic() - t0
            rc = os.waitstatus_to_exitcode(st)
            end = time.monotonic() + 3
            while (left := tree(os.getpid())) and time.monotonic() < end:
                time.sleep(0.02)
                try:
                    while (r := os.wait4(-1, os.WNOHANG))[0]:
                        user += r[2].ru_utime
                        sysm += r[2].ru_stime
                except ChildProcessError:
                    break
            for p in left:  # our own descendants only
                try:
                    os.kill(p, signal.SIGKILL)
                except OSError:
                    pass
    b1, s1 = machine_cpu()
    me1 = os.times()
    sampler.stop.set()
    sampler.join()
    killer.cancel()
    own = me1.user - me0.user + me1.system - me0.system
    cpu = user + sysm
    sampled = sum(sampler.cpu.values())
    res = {
        "rc": rc,
        "wall": wall,
        "cpu": max(cpu, sampled),
        "user": user,
        "sys": sysm,
        "rss": max(sampler.rss, 0),
        "pss": sampler.pss,
        "maxrss1": maxrss,
        "nproc": sampler.nproc,
        "foreign": max(0.0, b1 - b0 - own - max(cpu, sampled)),
        "steal": s1 - s0,
    }
    try:
        res["in"] = json.load(open(stats))
    except ValueError:
        res["in"] = {}
    os.unlink(stats)
    return res


def noisy(r):
    return r["foreign"] + r["steal"] > 0.10 * r["wall"] * NCPU + 0.15


def run_quiet(cmd, patience, env=None, tries=3, **kw):
    """Repeat a run that others disturbed, as far as `patience` goes; keep the least disturbed one."""
    best = None
    for attempt in range(tries):
        patience.wait()
        r = run(cmd, env, **kw)
        r["noise"] = (r["foreign"] + r["steal"]) / (r["wall"] * NCPU)
        r["noisy"] = noisy(r)
        if best is None or r["noise"] < best["noise"]:
            best = r
        if not r["noisy"] or attempt + 1 == tries or not patience.may_repeat(r["wall"]):
            break
    return best


if __name__ == "__main__":
    a = sys.argv[1:]
    i = a.index("--")
    n = int(a[a.index("-n") + 1]) if "-n" in a[:i] else 1
    rs = []
    for _ in range(n):
        r = run_quiet(a[i + 1 :], Patience(60), log=os.path.join(tempfile.gettempdir(), "batchscore-bench.log"))
        rs.append(r)
        print(
            {
                k: (round(v / 2**20) if k in ("rss", "pss", "maxrss1") else round(v, 2) if isinstance(v, float) else v)
                for k, v in r.items()
            },
            flush=True,
        )
