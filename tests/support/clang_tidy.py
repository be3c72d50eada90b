#!/usr/bin/python3
"""clang-tidy for the product's sources, as build/PRESET/compile_commands.json has them.

    tests/support/clang_tidy.py BUILD_DIRECTORY JOBS FOLDER...

A file that was found clean is not looked at again as long as it, all that it includes, .clang-tidy and clang-tidy are
the same: a note of that is kept beside ccache's. Findings are printed; the exit code is 1 if there are any.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

CLANG_TIDY = "clang-tidy-14"
TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
NOTES = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sportello", "clang-tidy")


def arguments(entry):
    """The compiler's command line, without what writes files."""
    words = shlex.split(entry["command"])
    if os.path.basename(words[0]) == "ccache":
        words = words[1:]
    kept, skip = [], False
    for word in words:
        if skip or word == "-c":
            skip = False
        elif word in ("-o", "-MF", "-MT"):
            skip = True
        elif word != "-MD":
            kept.append(word)
    return kept


def fingerprint(entry, basis):
    """Of the whole text that the compiler sees, comments included; None if it does not get that far."""
    done = subprocess.run([*arguments(entry), "-E", "-P", "-C"], cwd=entry["directory"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return hashlib.sha256(basis + done.stdout).hexdigest() if done.returncode == 0 else None


def findings(entry, build, basis):
    mark = fingerprint(entry, basis)
    note = os.path.join(NOTES, mark) if mark else None
    if note and os.path.exists(note):
        os.utime(note)
        return ""
    done = subprocess.run([CLANG_TIDY, "-quiet", "-p", build, entry["file"]], cwd=TREE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode == 0:
        if note:
            open(note, "w").close()
        return ""
    return done.stdout or done.stderr


def main():
    build, jobs, folders = os.path.abspath(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    with open(os.path.join(build, "compile_commands.json")) as file:
        entries = json.load(file)
    wanted = re.compile(f"{re.escape(TREE)}/({'|'.join(map(re.escape, folders))})/.*\\.cc$")
    entries = [entry for entry in entries if wanted.match(entry["file"])]
    if not entries:
        sys.exit(f"no source below {' or '.join(folders)} in {build}")
    os.makedirs(NOTES, exist_ok=True)
    with open(os.path.join(TREE, ".clang-tidy"), "rb") as file:
        basis = file.read() + subprocess.run([CLANG_TIDY, "--version"], stdout=subprocess.PIPE, check=True).stdout
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for found in pool.map(lambda entry: findings(entry, build, basis), entries):
            bad += bool(found)
            if found:
                print(found, end="", flush=True)
    print(f"clang-tidy: {len(entries)} files, {bad} with findings")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
