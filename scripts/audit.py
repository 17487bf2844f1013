"""Check the locked dependencies against the database of known vulnerabilities (pip-audit). Fails on any finding.

usage: audit.py PIP_AUDIT LOCK      an unreachable database is reported and is not a failure
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def audit(program: str, lock: str) -> dict[str, Any] | None:
    """pip-audit's report; None if it could not make one."""
    command = [program, "--require-hashes", "--disable-pip", "--progress-spinner=off", "-f", "json", "-r", lock]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        print(done.stderr[-1500:], file=sys.stderr)
        return None
    return report


def main() -> int:
    report = audit(*sys.argv[1:3])
    packages = report["dependencies"] if report else []
    audited = [package for package in packages if "skip_reason" not in package]
    found = [(package, entry) for package in audited for entry in package["vulns"]]
    for package, entry in found:
        fixed = ", ".join(entry["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {entry['id']}, fixed in {fixed}")
    skipped = sorted(package["name"] for package in packages if "skip_reason" in package)
    if not audited:
        print("NOTHING WAS AUDITED: the database of vulnerabilities could not be reached")
        return 0
    if skipped:
        print(f"not in the database: {', '.join(skipped)}")
    print(f"{len(audited)} packages audited, {len(found)} known vulnerabilities")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
