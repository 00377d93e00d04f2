"""Calls of the public API with nothing installed: messages written by hand, curl for HTTP/2 with its trailers,
and a bare socket where the time of the first answer matters."""

import base64
import os
import socket
import struct
import subprocess
import tempfile
import urllib.parse

SERVICE = "temporal.api.workflowservice.v1.WorkflowService"
OK, NOT_FOUND, UNAVAILABLE = 0, 5, 14


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, value):
    """A field of a message: text, bytes or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(data):
    """The fields of a message, (number, value) each."""
    at = 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            b = data[at]
            at += 1
            n |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                return n

    while at < len(data):
        key = number()
        kind = key & 7
        if kind == 0:
            yield key >> 3, number()
        else:
            size = number() if kind == 2 else {1: 8, 5: 4}[kind]
            yield key >> 3, data[at : at + size]
            at += size


def get(data, *path):
    """The last value of a field, by its path of numbers; None if it is not there."""
    for number in path:
        found = [v for n, v in fields(data) if n == number]
        if not found:
            return None
        data = found[-1]
    return data


def call(port, method, message=b"", service=SERVICE, timeout=10):
    """(grpc status, its text, the reply). A server that cannot be reached has the status None."""
    return ask(port, method, message, service, timeout)[:3]


def ask(port, method, message=b"", service=SERVICE, timeout=10, headers=()):
    """As call, and the error's detail: its type and its bytes, or None."""
    with tempfile.TemporaryDirectory() as dir:
        request, heads, body = (os.path.join(dir, n) for n in ("request", "heads", "body"))
        with open(request, "wb") as f:
            f.write(struct.pack(">BI", 0, len(message)) + message)
        done = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "--max-time", str(timeout), "-D", heads, "-o", body]
            + ["-H", "content-type: application/grpc", "-H", "te: trailers", "-H", f"grpc-timeout: {timeout}S"]
            + [arg for header in headers for arg in ("-H", header)]
            + ["--data-binary", "@" + request]
            + [f"http://127.0.0.1:{port}/{service}/{method}"],
            capture_output=True,
            text=True,
        )
        status, text, reply, detail = None, done.stderr.strip(), b"", None
        if os.path.exists(heads):
            with open(heads, encoding="latin-1") as f:
                for line in f:
                    name, _, value = line.strip().partition(": ")
                    if name.lower() == "grpc-status":
                        status = int(value)
                    elif name.lower() == "grpc-message":
                        text = urllib.parse.unquote(value)
                    elif name.lower() == "grpc-status-details-bin":
                        any = get(base64.b64decode(value + "=" * (-len(value) % 4)), 3)
                        detail = (get(any, 1).decode().rpartition(".")[2], get(any, 2) or b"")
        if status == OK and os.path.exists(body):
            with open(body, "rb") as f:
                reply = f.read()[5:]
        return status, text, reply, detail


def _literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def first_answer(port, method="GetSystemInfo", timeout=5.0):
    """One call over a bare socket; True as soon as a message came back. For measuring: no process is started."""
    path = f"/{SERVICE}/{method}".encode()
    headers = b"".join(
        _literal(n, v)
        for n, v in (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path),
            (b":authority", b"localhost"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
        )
    )

    def frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.sendall(
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, headers)
                + frame(0, 1, 1, b"\0\0\0\0\0")
            )
            data = b""
            while True:
                got = s.recv(65536)
                if not got:
                    return False
                data += got
                while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                    size = int.from_bytes(data[:3], "big")
                    if data[3] == 0 and size > 0:
                        return True  # DATA
                    if data[3] == 1 and data[4] & 1:
                        return False  # trailers without a message
                    data = data[9 + size :]
    except OSError:
        return False


def register_namespace(port, name):
    return call(port, "RegisterNamespace", field(1, name) + field(4, field(1, 86400)))


def describe_namespace(port, name):
    return call(port, "DescribeNamespace", field(1, name))


def start_workflow(port, workflow_id, namespace="default", timeout=10):
    """The reply has the run id in field 1."""
    return call(
        port,
        "StartWorkflowExecution",
        field(1, namespace) + field(2, workflow_id) + field(3, field(1, "type")) + field(4, field(1, "queue"))
        + field(9, "test") + field(10, "request-" + workflow_id),
        timeout=timeout,
    )


def describe_workflow(port, workflow_id, namespace="default"):
    """The reply has the run id in fields 2, 1, 2 and the status in 2, 5: 1 is running."""
    return call(port, "DescribeWorkflowExecution", field(1, namespace) + field(2, field(1, workflow_id)))


def is_healthy(port):
    status, _, reply = call(port, "Check", field(1, SERVICE), service="grpc.health.v1.Health", timeout=2)
    return status == OK and get(reply, 1) == 1
