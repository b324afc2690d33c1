"""Requests a second of `guard serve` beside LiteLLM's proxy and the bare upstream, in one run.

    python benchmarks/gateway.py [--rounds N] [--seconds S] [--connections C]

guard runs with everything but moderation on; LiteLLM as it comes, without any guard. Both ask their client for a key
and forward to one fast upstream on loopback; rounds alternate. LiteLLM is installed once, at the version named here,
into a virtual environment of its own under GUARD_BENCH_CACHE (default ~/.cache/guard-benchmarks; about 750 MB).

Each body is new but in the row `same again`, which shows what the earlier turns of a conversation cost.

Target: with 4 findings in each body, guard answers at least 15 times as many requests as LiteLLM. Exit code 1 if it
is missed, if any answer was not 200, or if LiteLLM is not to be had: then the line says `not measured`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from _load import AGAIN, CLEAN, FINDINGS, POLICY, Load, child, closed_loop, free_port, upstream

LITELLM = "1.106.2"
TARGET = 15.0
# Long and random enough for LiteLLM, which refuses weak ones; it opens nothing but these loopback servers.
KEY = "sk-3f1c9a7e55d24b6f8a0b7c9d1e2f3a4b5c6d7e8f"

_CONFIG = """\
model_list:
  - model_name: gpt-bench
    litellm_params: {{model: openai/gpt-bench, api_base: "http://127.0.0.1:{port}/v1", api_key: none}}
general_settings: {{master_key: {key}}}
"""


def litellm_program() -> Path:
    """Install LiteLLM's proxy if it is not there yet; raises CalledProcessError where it cannot be had."""
    cache = Path(os.environ.get("GUARD_BENCH_CACHE", "~/.cache/guard-benchmarks")).expanduser()
    venv = cache / f"litellm-{LITELLM}"
    program = venv / "bin" / "litellm"
    if not program.exists():
        print(f"installing litellm[proxy]=={LITELLM}, once …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin" / "pip", "install", "-q", f"litellm[proxy]=={LITELLM}"], check=True)
    return program


@contextlib.contextmanager
def litellm(folder: Path, target: int) -> Iterator[int | None]:
    """Run LiteLLM's proxy; gives its port, or None where it cannot be had or does not start."""
    port = free_port()
    config = folder / "litellm.yaml"
    config.write_text(_CONFIG.format(port=target, key=KEY))
    with contextlib.ExitStack() as stack:
        try:
            command = [
                str(litellm_program()),
                "--config",
                str(config),
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
            ]
            # Its list of prices would be fetched at start otherwise.
            env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
            stack.enter_context(child(command, port, log=folder / "litellm.log", wait=180, **env))
        except (OSError, subprocess.CalledProcessError, RuntimeError) as failure:
            print(f"litellm: {failure}", file=sys.stderr)
            yield None
            return
        yield port


@contextlib.contextmanager
def gateway(folder: Path, target: int) -> Iterator[int]:
    """Run `guard serve` with one worker; gives its port."""
    port = free_port()
    (folder / "policy.yaml").write_text(POLICY)
    command = [sys.executable, "-m", "guard", "serve", "--policy", str(folder / "policy.yaml")]
    command += ["--upstream", f"http://127.0.0.1:{target}/v1", "--port", str(port)]
    env = {
        "GUARD_HOME": str(folder / "home"),
        "GUARD_EXPORTS": str(folder / "exports"),
        "GUARD_CLIENT_KEYS": f"bench:{KEY}",
        "GUARD_UPSTREAM_KEY": "none",
    }
    with child(command, port, log=folder / "guard.log", **env):
        yield port


def measure(ports: dict[str, int], options: argparse.Namespace) -> dict[str, list[Load]]:
    """Load each server in turn, round after round; the first round warms up and is dropped."""
    rows = {"upstream": ("upstream", FINDINGS), "litellm": ("litellm", FINDINGS)}
    rows |= {"guard, 4 findings": ("guard", FINDINGS), "guard, clean": ("guard", CLEAN)}
    rows |= {"guard, same again": ("guard", AGAIN)}
    loads: dict[str, list[Load]] = {row: [] for row, (server, _) in rows.items() if server in ports}
    for _ in range(options.rounds + 1):
        for row in loads:
            server, body = rows[row]
            load = closed_loop(
                ports[server], body, connections=options.connections, seconds=options.seconds, key=KEY
            )
            loads[row].append(load)
    return {row: values[1:] for row, values in loads.items()}


def report(loads: dict[str, list[Load]], options: argparse.Namespace) -> bool:
    """Print what was measured; tells whether the target was met."""
    print(f"1 KB chat body, {options.connections} connections,", end=" ")
    print(f"middle of {options.rounds} rounds of {options.seconds} s")
    for row, values in loads.items():
        print(f"  {row:<18} {sorted(values, key=lambda load: load.rate)[len(values) // 2]}")
    if "litellm" not in loads:
        print(f"  litellm {LITELLM}: not measured")
        return False
    pairs = zip(loads["guard, 4 findings"], loads["litellm"], strict=True)
    ratio = statistics.median(ours.rate / theirs.rate for ours, theirs in pairs)
    print(
        f"  guard / litellm {LITELLM}: {ratio:.1f}×, at least {TARGET:.0f}×: {'ok' if ratio >= TARGET else 'MISSED'}"
    )
    return ratio >= TARGET and not any(load.failures for values in loads.values() for load in values)


def main(options: argparse.Namespace) -> int:
    """Run all three side by side and compare them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with upstream(folder) as target, gateway(folder, target) as guard, litellm(folder, target) as peer:
            ports = {"upstream": target, "guard": guard} | ({"litellm": peer} if peer else {})
            return 0 if report(measure(ports, options), options) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--connections", type=int, default=16)
    sys.exit(main(parser.parse_args()))
