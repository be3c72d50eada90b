"""Throw-away certificate authorities and certificates, made with the openssl program."""
import os
import subprocess

from . import processes


def _openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")


class Authority:
    """A CA in a directory; issue() makes a key and a certificate, files owned by the unprivileged user."""

    def __init__(self, directory, name="ca"):
        self.directory = directory
        self.key = os.path.join(directory, name + ".key")
        self.certificate = os.path.join(directory, name + ".crt")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                 "-keyout", self.key, "-out", self.certificate)
        self._publish(self.key, self.certificate)

    def issue(self, common_name, alternative_names="DNS:localhost,IP:127.0.0.1", file_name=None, days=30):
        """Returns (certificate path, key path)."""
        base = os.path.join(self.directory, file_name or common_name.replace("/", "_"))
        key, request, certificate, extensions = base + ".key", base + ".csr", base + ".crt", base + ".ext"
        with open(extensions, "w") as file:
            file.write(f"subjectAltName={alternative_names}\n" if alternative_names else "basicConstraints=CA:FALSE\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={common_name}", "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", str(days),
                 "-extfile", extensions, "-out", certificate)
        self._publish(key, certificate)
        return certificate, key

    @staticmethod
    def _publish(key, certificate):
        os.chmod(key, 0o600)
        os.chmod(certificate, 0o644)
        processes.give_to_unprivileged(key)
        processes.give_to_unprivileged(certificate)
