"""The arithmetic of password logins, both sides: RFC 5802 / RFC 7677 (SCRAM-SHA-256) and PostgreSQL's md5."""
import base64
import hashlib
import hmac
import os


def md5_secret(user, password):
    return "md5" + hashlib.md5((password + user).encode()).hexdigest()


def md5_answer(user, password, salt):
    inner = md5_secret(user, password)[3:]
    return "md5" + hashlib.md5(inner.encode() + salt).hexdigest()


def _hmac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def _xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def scram_verifier(password, salt=b"0123456789abcdef", iterations=4096):
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server = _hmac(salted, b"Server Key")
    b64 = lambda raw: base64.b64encode(raw).decode()
    return f"SCRAM-SHA-256${iterations}:{b64(salt)}${b64(stored)}:{b64(server)}"


def _attributes(message):
    return dict(part.split("=", 1) for part in message.decode().split(",") if "=" in part)


class ScramClient:
    def __init__(self, password, user="", gs2_header="n,,"):
        self.password = password
        self.gs2_header = gs2_header
        self.bare = f"n={user},r={base64.b64encode(os.urandom(18)).decode()}"

    def first(self):
        return (self.gs2_header + self.bare).encode()

    def final(self, server_first):
        attributes = _attributes(server_first)
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(attributes["s"]), int(attributes["i"]))
        binding = base64.b64encode(self.gs2_header.encode()).decode()
        without_proof = f"c={binding},r={attributes['r']}"
        signed = f"{self.bare},{server_first.decode()},{without_proof}".encode()
        client_key = _hmac(salted, b"Client Key")
        proof = _xor(client_key, _hmac(hashlib.sha256(client_key).digest(), signed))
        self.expected_signature = base64.b64encode(_hmac(_hmac(salted, b"Server Key"), signed)).decode()
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, server_final):
        return _attributes(server_final).get("v") == self.expected_signature


class ScramServer:
    """Answers for a password; does not check the proof (a hostile server need not)."""

    def __init__(self, password, salt=b"0123456789abcdef", iterations=4096):
        self.password, self.salt, self.iterations = password, salt, iterations

    def first(self, client_first):
        self.client_bare = client_first.decode().split(",", 2)[2]
        nonce = _attributes(self.client_bare.encode())["r"] + base64.b64encode(os.urandom(9)).decode()
        self.server_first = f"r={nonce},s={base64.b64encode(self.salt).decode()},i={self.iterations}"
        return self.server_first.encode()

    def final(self, client_final):
        without_proof = client_final.decode().rsplit(",p=", 1)[0]
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), self.salt, self.iterations)
        signed = f"{self.client_bare},{self.server_first},{without_proof}".encode()
        return ("v=" + base64.b64encode(_hmac(_hmac(salted, b"Server Key"), signed)).decode()).encode()
