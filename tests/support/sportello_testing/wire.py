"""PostgreSQL's messages as bytes and as readable lines.

Builders return whole messages and never judge what they are given: tests send nonsense on purpose. `trace_frontend` and
`trace_backend` print one message as one line, in the words of the manual:

    Query SELECT 1
    RowDescription ?column?
    DataRow 1
    CommandComplete SELECT 1
    ReadyForQuery I

Message formats: protocol-message-formats.html.
"""
import struct

PROTOCOL_3_0 = 196608
PROTOCOL_3_2 = 196610
CANCEL_CODE = 80877102
SSL_CODE = 80877103
GSSENC_CODE = 80877104


def message(kind, body=b""):
    """kind: one byte, or b'' for the messages of the startup phase that have no type."""
    return kind + struct.pack("!I", len(body) + 4) + body


def text(value):
    return (value.encode() if isinstance(value, str) else value) + b"\0"


# ---- what clients send ------------------------------------------------------------------------------------------

def startup(user=None, database=None, protocol=PROTOCOL_3_0, **parameters):
    pairs = [("user", user), ("database", database), *parameters.items()]
    body = b"".join(text(name) + text(value) for name, value in pairs if value is not None)
    return message(b"", struct.pack("!I", protocol) + body + b"\0")


def ssl_request():
    return message(b"", struct.pack("!I", SSL_CODE))


def gssenc_request():
    return message(b"", struct.pack("!I", GSSENC_CODE))


def cancel_request(process_id, secret_key):
    key = struct.pack("!I", secret_key) if isinstance(secret_key, int) else secret_key
    return message(b"", struct.pack("!II", CANCEL_CODE, process_id) + key)


def query(sql):
    return message(b"Q", text(sql))


def parse(name, sql, types=()):
    return message(b"P", text(name) + text(sql) + struct.pack("!H", len(types)) + b"".join(struct.pack("!I", oid) for oid in types))


def bind(portal="", statement="", values=(), formats=(), result_formats=()):
    body = text(portal) + text(statement)
    body += struct.pack("!H", len(formats)) + b"".join(struct.pack("!H", code) for code in formats)
    body += struct.pack("!H", len(values))
    for value in values:
        if value is None:
            body += struct.pack("!i", -1)
        else:
            raw = value if isinstance(value, bytes) else str(value).encode()
            body += struct.pack("!I", len(raw)) + raw
    body += struct.pack("!H", len(result_formats)) + b"".join(struct.pack("!H", code) for code in result_formats)
    return message(b"B", body)


def describe_statement(name=""):
    return message(b"D", b"S" + text(name))


def describe_portal(name=""):
    return message(b"D", b"P" + text(name))


def execute(portal="", max_rows=0):
    return message(b"E", text(portal) + struct.pack("!I", max_rows))


def close_statement(name=""):
    return message(b"C", b"S" + text(name))


def close_portal(name=""):
    return message(b"C", b"P" + text(name))


def sync():
    return message(b"S")


def flush():
    return message(b"H")


def terminate():
    return message(b"X")


def copy_data(data):
    return message(b"d", data)


def copy_done():
    return message(b"c")


def copy_fail(reason):
    return message(b"f", text(reason))


def password(secret):
    return message(b"p", text(secret))


def sasl_initial_response(mechanism, data):
    return message(b"p", text(mechanism) + struct.pack("!I", len(data)) + data)


def sasl_response(data):
    return message(b"p", data)


def function_call(oid, arguments=()):
    body = struct.pack("!IHHH", oid, 1, 0, len(arguments))
    for argument in arguments:
        raw = str(argument).encode()
        body += struct.pack("!I", len(raw)) + raw
    return message(b"F", body + struct.pack("!H", 0))


# ---- what servers send ------------------------------------------------------------------------------------------

def authentication(code, data=b""):
    return message(b"R", struct.pack("!I", code) + data)


def authentication_ok():
    return authentication(0)


def parameter_status(name, value):
    return message(b"S", text(name) + text(value))


def backend_key_data(process_id, secret_key):
    return message(b"K", struct.pack("!II", process_id, secret_key))


def ready_for_query(status=b"I"):
    return message(b"Z", status)


def error_response(sqlstate, text_, severity="ERROR"):
    fields = [(b"S", severity), (b"V", severity), (b"C", sqlstate), (b"M", text_)]
    return message(b"E", b"".join(code + text(value) for code, value in fields) + b"\0")


def notice_response(text_):
    fields = [(b"S", "NOTICE"), (b"V", "NOTICE"), (b"C", "00000"), (b"M", text_)]
    return message(b"N", b"".join(code + text(value) for code, value in fields) + b"\0")


def row_description(*columns):
    body = struct.pack("!H", len(columns))
    for column in columns:
        body += text(column) + struct.pack("!IHIhiH", 0, 0, 25, -1, -1, 0)
    return message(b"T", body)


def data_row(*values):
    body = struct.pack("!H", len(values))
    for value in values:
        if value is None:
            body += struct.pack("!i", -1)
        else:
            raw = value if isinstance(value, bytes) else str(value).encode()
            body += struct.pack("!I", len(raw)) + raw
    return message(b"D", body)


def command_complete(tag):
    return message(b"C", text(tag))


def parse_complete():
    return message(b"1")


def bind_complete():
    return message(b"2")


def no_data():
    return message(b"n")


def empty_query_response():
    return message(b"I")


# ---- reading ----------------------------------------------------------------------------------------------------

class Fields:
    """A cursor over a message body; running past its end raises ValueError, as a test wants to see it."""

    def __init__(self, body):
        self.body, self.at = body, 0

    def take(self, count):
        if self.at + count > len(self.body):
            raise ValueError(f"message ends early: {self.body!r}")
        piece = self.body[self.at:self.at + count]
        self.at += count
        return piece

    def int16(self):
        return struct.unpack("!h", self.take(2))[0]

    def int32(self):
        return struct.unpack("!i", self.take(4))[0]

    def cstring(self):
        end = self.body.index(b"\0", self.at)
        piece = self.body[self.at:end]
        self.at = end + 1
        return piece.decode("utf-8", "backslashreplace")

    def value(self):
        length = self.int32()
        return None if length < 0 else self.take(length)

    def rest(self):
        return self.take(len(self.body) - self.at)

    @property
    def left(self):
        return len(self.body) - self.at


def error_fields(body):
    """{'S': 'ERROR', 'C': '42P01', 'M': ...} of an ErrorResponse or NoticeResponse."""
    fields, found = Fields(body), {}
    while fields.left and fields.body[fields.at] != 0:
        code = fields.take(1).decode()
        found[code] = fields.cstring()
    return found


def column_names(body):
    fields = Fields(body)
    names = []
    for _ in range(fields.int16()):
        names.append(fields.cstring())
        fields.take(18)
    return names


def row_values(body):
    fields = Fields(body)
    return [fields.value() for _ in range(fields.int16())]


def _shown(value):
    if value is None:
        return "NULL"
    shown = value.decode("utf-8", "backslashreplace")
    return shown if len(shown) <= 60 else f"{shown[:40]}...({len(value)} bytes)"


def _trace_error(name, body):
    fields = error_fields(body)
    return f"{name} {fields.get('S', '?')} {fields.get('C', '?')} {fields.get('M', '')}"


_AUTHENTICATION = {0: "Ok", 3: "CleartextPassword", 5: "MD5Password", 10: "SASL", 11: "SASLContinue", 12: "SASLFinal"}

_BACKEND_PLAIN = {
    b"1": "ParseComplete", b"2": "BindComplete", b"3": "CloseComplete", b"n": "NoData", b"s": "PortalSuspended",
    b"I": "EmptyQueryResponse", b"c": "CopyDone", b"G": "CopyInResponse", b"H": "CopyOutResponse", b"W": "CopyBothResponse",
    b"K": "BackendKeyData", b"v": "NegotiateProtocolVersion", b"V": "FunctionCallResponse",
}


def _readable(trace):
    """Traces of malformed messages are lines, too: hostile peers send them on purpose."""
    def traced(kind, body):
        try:
            return trace(kind, body)
        except (ValueError, struct.error):
            return f"Malformed {kind!r} {body[:60]!r}"
    return traced


@_readable
def trace_backend(kind, body):
    fields = Fields(body)
    if kind in _BACKEND_PLAIN:
        return _BACKEND_PLAIN[kind]
    if kind == b"R":
        code = fields.int32()
        return "Authentication" + _AUTHENTICATION.get(code, str(code))
    if kind == b"S":
        return f"ParameterStatus {fields.cstring()}={fields.cstring()}"
    if kind == b"Z":
        return "ReadyForQuery " + body.decode("ascii", "backslashreplace")
    if kind == b"E":
        return _trace_error("ErrorResponse", body)
    if kind == b"N":
        return _trace_error("NoticeResponse", body)
    if kind == b"T":
        return "RowDescription " + " ".join(column_names(body))
    if kind == b"D":
        return "DataRow " + " ".join(_shown(value) for value in row_values(body))
    if kind == b"C":
        return "CommandComplete " + fields.cstring()
    if kind == b"t":
        return "ParameterDescription " + " ".join(str(fields.int32()) for _ in range(fields.int16()))
    if kind == b"d":
        return "CopyData " + _shown(body.rstrip(b"\n"))
    if kind == b"A":
        fields.int32()
        return f"NotificationResponse {fields.cstring()} {fields.cstring()}".rstrip()
    return f"Unknown {kind!r} {len(body)} bytes"


_FRONTEND_PLAIN = {b"S": "Sync", b"H": "Flush", b"X": "Terminate", b"c": "CopyDone", b"F": "FunctionCall", b"p": "PasswordMessage"}
_KINDS = {"S": "statement", "P": "portal"}


@_readable
def trace_frontend(kind, body):
    fields = Fields(body)
    if kind in _FRONTEND_PLAIN:
        return _FRONTEND_PLAIN[kind]
    if kind == b"Q":
        return "Query " + fields.cstring()
    if kind == b"P":
        return f'Parse "{fields.cstring()}" {fields.cstring()}'
    if kind == b"B":
        return f'Bind "{fields.cstring()}" "{fields.cstring()}"'
    if kind in (b"D", b"C"):
        what = _KINDS.get(fields.take(1).decode("latin1"), "?")
        return f'{"Describe" if kind == b"D" else "Close"} {what} "{fields.cstring()}"'
    if kind == b"E":
        return f'Execute "{fields.cstring()}" {fields.int32()}'
    if kind == b"d":
        return "CopyData " + _shown(body.rstrip(b"\n"))
    if kind == b"f":
        return "CopyFail " + fields.cstring()
    return f"Unknown {kind!r} {len(body)} bytes"


def trace_startup(body):
    fields = Fields(body)
    code = fields.int32()
    if code == SSL_CODE:
        return "SSLRequest"
    if code == GSSENC_CODE:
        return "GSSENCRequest"
    if code == CANCEL_CODE:
        return f"CancelRequest {fields.int32()}"
    pairs = fields.rest().split(b"\0")
    shown = " ".join(f"{name.decode()}={value.decode()}" for name, value in zip(pairs[0::2], pairs[1::2]) if name)
    return f"StartupMessage {code >> 16}.{code & 0xFFFF} {shown}"


class MessageBuffer:
    """Bytes in any pieces in, whole (kind, body, raw) messages out."""

    def __init__(self, typed=True):
        self.pending = bytearray()
        self.typed = typed

    def feed(self, data):
        self.pending += data

    def next(self):
        """A message, or None while bytes are missing."""
        head = 1 if self.typed else 0
        if len(self.pending) < head + 4:
            return None
        (length,) = struct.unpack("!I", bytes(self.pending[head:head + 4]))
        if length < 4 or len(self.pending) < head + length:
            return None
        raw = bytes(self.pending[:head + length])
        del self.pending[:head + length]
        return raw[:head], raw[head + 4:], raw
