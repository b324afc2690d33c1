"""Verify guard's exports without guard: Python's standard library and openssl (3.0 or later). See chain.md.

    python verify.py EXPORTS KEY.pem

Exit code 0: every record is as it was written and signed. What no folder can tell about itself is said in chain.md.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

folder, key = pathlib.Path(sys.argv[1]), sys.argv[2]
problems, ends = [], {}


def signed(message: bytes, signature: str) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        paths = [pathlib.Path(scratch, name) for name in ("message", "signature")]
        for path, data in zip(paths, (message, base64.b64decode(signature)), strict=True):
            path.write_bytes(data)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin"]
        command += ["-in", paths[0], "-sigfile", paths[1]]
        return subprocess.run(command, capture_output=True).returncode == 0


def check(export: pathlib.Path) -> None:
    entries = export.with_suffix(".chain").read_bytes().splitlines()
    header = json.loads(entries[0])
    if (version := header["guard-chain"]) not in (1, 2):
        raise ValueError
    digest, seq, heads = hashlib.sha256(entries[0]).digest(), header["first"] - 1, []
    points = ends[export.name] = {seq: digest.hex()}
    with export.open("rb") as lines:
        for entry in entries[1:]:
            body, _, signature = entry.decode().rpartition(" ")
            word, number, expected, *_ = entry.decode().split(" ")
            if word == "record":
                seq, whole = seq + 1, False
                state = hashlib.sha256(digest + seq.to_bytes(8, "big"))
                while not whole and (piece := lines.readline(1 << 20)):  # a line may be of gigabytes
                    whole = piece.endswith(b"\n")
                    state.update(piece.removesuffix(b"\n"))
                digest = state.digest()
                points[seq] = digest.hex()
                if not (whole and (int(number), expected) == (seq, digest.hex())):
                    return problems.append(f"{export.name}: record {seq} does not fit the chain")
            else:
                heads.append((word, seq))
                message = f"guard-chain/{version} {body}".encode()
                if (int(number), expected) != (seq, digest.hex()) or not signed(message, signature):
                    problems.append(f"{export.name}: the signature at record {number} is wrong")
        rest = lines.read(1)
    if heads[-1:] != [("close", seq)]:
        print(f"{export.name}: not ended; records after {heads[-1][1] if heads else 0} are not proved")
    elif rest:
        problems.append(f"{export.name}: it goes on after its signed end")
    if header["file"] != export.name or not heads or heads[0] != ("head", header["first"] - 1):
        problems.append(f"{export.name}: renamed, or its header is not signed")
    links.extend(filter(None, [header["previous"], *header["seen"]]))


links: list[dict] = []
for export in sorted(folder.glob("*.jsonl")):
    try:
        check(export)
    except (OSError, ValueError, KeyError, TypeError) as error:
        problems.append(f"{export.name}: its chain cannot be read ({type(error).__name__})")
for sidecar in folder.glob("*.chain"):
    if b"\nrecord " in sidecar.read_bytes() and not sidecar.with_suffix(".jsonl").exists():
        problems.append(f"{sidecar.stem}.jsonl: missing, its chain is here")
for link in links:
    if ends.get(link["file"], {}).get(link["seq"]) != link["hash"]:
        problems.append(f"{link['file']}: record {link['seq']} is missing or another: a later file names it")
problems = list(dict.fromkeys(problems))
print("\n".join(problems) or f"intact: {len(ends)} files, {sum(len(p) - 1 for p in ends.values())} records")
sys.exit(1 if problems else 0)
