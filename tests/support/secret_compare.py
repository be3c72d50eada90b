#!/usr/bin/python3
"""Secrets are compared by equal_secrets() of protocol/auth/secret_bytes.h, whose time tells nothing, and by nothing else.

    tests/support/secret_compare.py FOLDER...

Found in C++ sources: memcmp and strcmp anywhere; CRYPTO_memcmp outside that header; == and !=, compare() and
std::equal() of what is named as a secret is (password_, scram->proof, cancel_key()). Findings are printed; the exit code is
1 if there are any.
"""
import os
import re
import sys

TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
HOME = os.path.join("protocol", "auth", "secret_bytes.h")

SECRET = r"(?:\w+_)?(?:secrets?|passwords?|passwd|proof|signature|verifier|(?:stored|server|client|cancel|secret|salted)_key)_?"
_PATH = r"[A-Za-z_]\w*(?:\(\)|\[\w*\])?(?:(?:\.|->|::)\w+(?:\(\)|\[\w*\])?)*"
_COMPARED = re.compile(rf"(?<![\w.>:])(?P<left>{_PATH})?\s*(?:==|!=)\s*(?P<right>\*?{_PATH})?")
_CALLED = re.compile(rf"(?P<object>{_PATH})(?:\.|->)compare\(|\bstd::equal\((?P<arguments>[^;]*)")
_FORBIDDEN = re.compile(r"(?<!\w)(?:std::)?(memcmp|bcmp|strn?cmp|wmemcmp)\s*\(")
_CONSTANT_TIME = re.compile(r"\bCRYPTO_memcmp\b")
# What does not change the bytes that a name stands for.
_VIEWED = re.compile(r"(?:(?:\.|->)(?:view|data|c_str|begin|value|front)\(\))+$")
_NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<mark>\w*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)


def _without_noise(text):
    """The same lines without comments and literals, each of which leaves a blank pair of quotes."""
    return _NOISE.sub(lambda found: '""' + "\n" * found.group().count("\n"), text)


def names_a_secret(operand):
    if not operand:
        return False
    last = re.split(r"\.|->|::", _VIEWED.sub("", operand))[-1]
    return re.fullmatch(SECRET, re.sub(r"\(\)|\[\w*\]", "", last)) is not None


def _compares_secrets(line):
    for found in _COMPARED.finditer(line):
        left, right = found.group("left"), found.group("right")
        if right not in ("nullptr", "NULL") and left != "nullptr" and (names_a_secret(left) or names_a_secret(right)):
            return True
    for found in _CALLED.finditer(line):
        if names_a_secret(found.group("object")):
            return True
        if any(names_a_secret(path) for path in re.findall(_PATH, found.group("arguments") or "")):
            return True
    return False


def findings(path, text):
    """(line, what is wrong) of one source, whose path is relative to the tree."""
    found = []
    for number, line in enumerate(_without_noise(text).split("\n"), 1):
        if forbidden := _FORBIDDEN.search(line):
            found.append((number, f"{forbidden.group(1)}() stops at the first difference: equal_secrets(), or == of what is public"))
        if _CONSTANT_TIME.search(line) and path != HOME:
            found.append((number, "CRYPTO_memcmp() wants equal lengths: equal_secrets() looks"))
        if _compares_secrets(line):
            found.append((number, "a secret is compared by a comparison whose time tells of it: equal_secrets()"))
    return found


def sources(folders):
    for folder in folders:
        for directory, _, names in os.walk(os.path.join(TREE, folder)):
            for name in sorted(names):
                if name.endswith((".cc", ".h", ".in")):
                    yield os.path.relpath(os.path.join(directory, name), TREE)


def main(folders):
    found = 0
    for path in sources(folders):
        with open(os.path.join(TREE, path)) as file:
            for number, what in findings(path, file.read()):
                print(f"{path}:{number}: {what}")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
