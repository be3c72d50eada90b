"""The lint finds comparisons of secrets that take the longer the more of them is right, and leaves the others alone."""
import os
import subprocess
import sys

import pytest

import secret_compare


def lines(text, path="proxy/session/x.cc"):
    return [number for number, _ in secret_compare.findings(path, text)]


@pytest.mark.parametrize("bad", [
    "if (password == given) {",
    "if (given != password) {",
    "return stored_secret_ == secret;",
    "return verifier.stored_key == hash_of(client_key);",
    "return x == user->secret;",
    "if (client->cancel_key() == key) {",
    "if (key != client->cancel_key()) {",
    "return secret.view() == text;",
    "return message->password.view() != text;",
    "if (keys[i] == server_key) {",
    "if (scram.proof.compare(expected) == 0) {",
    "return std::equal(signature.begin(), signature.end(), given.begin());",
    "return std::equal(given.begin(), given.end(), keys_.server_key.data());",
    "if (memcmp(a, b, n) == 0) {",
    "if (std::memcmp(a.data(), b.data(), 4) == 0) {",
    "return strcmp(a, b) == 0;",
    "return strncmp (a, b, 3) == 0;",
    "return CRYPTO_memcmp(a, b, n) == 0;",
])
def test_a_comparison_whose_time_tells_is_found(bad):  # S24
    assert lines("int a;\n" + bad + "\n") == [2]


@pytest.mark.parametrize("good", [
    "return auth::equal_secrets(stored, given);",
    "if (password.size() == 0) {",
    "if (secret == nullptr || secret->empty()) {",
    "if (nullptr != pool_->secret) {",
    "if (known != config_->secrets.end()) {",
    "if (state_ == State::Secret) {",
    "if (method == AuthMethod::Password) {",
    "if (error.sqlstate == sqlstate::kInvalidPassword) {",
    "// password == given would tell; memcmp(a, b) too",
    "/* password == given\n   memcmp(a, b) */",
    'log("password == given, memcmp(");',
    "if (password_plaintext_allowed == other) {",
    "if (token.kind == TokenKind::Word) {",
    "std::memcpy(a, b, n);",
    "secret = given;",
])
def test_what_is_no_comparison_of_secrets_is_left_alone(good):  # S24
    assert lines(good + "\n") == []


def test_the_one_place_that_compares_them_may():  # S24
    text = "return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;"
    assert lines(text, os.path.join("protocol", "auth", "secret_bytes.h")) == []


def test_lines_are_counted_over_comments():
    assert lines('/* one\n two */\nR"(\n)"; // three\nmemcmp(a, b, 1);\n') == [5]


def test_its_exit_code_says_whether_there_is_anything(tmp_path):
    source = tmp_path / "x.cc"

    def run():
        return subprocess.run([sys.executable, secret_compare.__file__, tmp_path], capture_output=True, text=True, check=False)
    source.write_text("return equal_secrets(a, b);\n")
    assert run().returncode == 0
    source.write_text("return password == given;\n")
    assert run().returncode == 1 and "x.cc:1: " in run().stdout
