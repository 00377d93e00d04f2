#!/usr/bin/env python3
"""Writes the seeds of tests/fuzz/corpus/grpc: well-formed conversations for the fuzzer to break."""
import gzip
import pathlib
import struct

OUT = pathlib.Path(__file__).parent / 'corpus' / 'grpc'


def frame(kind, flags, stream, body=b''):
    return struct.pack('>I', len(body))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + body


def literal(name, value):
    """HPACK: a literal without indexing, no Huffman."""
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def headers(stream, path, end=False, **extra):
    fields = {':method': 'POST', ':scheme': 'http', ':path': path, ':authority': 'a', 'te': 'trailers',
              'content-type': 'application/grpc'}
    fields.update({k.replace('_', '-'): v for k, v in extra.items()})
    return frame(1, 4 | (1 if end else 0), stream, b''.join(literal(k, v) for k, v in fields.items()))


def message(body, compressed=0):
    return bytes([compressed]) + struct.pack('>I', len(body)) + body


def data(stream, body, end=True):
    return frame(0, 1 if end else 0, stream, body)


def reset(stream):
    return frame(3, 0, stream, struct.pack('>I', 8))


PREFACE, TINY, GZIP, STUCK, ANSWER = 1, 2, 4, 8, 16
zipped = message(gzip.compress(b'a' * 300, mtime=0), 1)
ping = frame(6, 0, 0, bytes(8))
echo = headers(1, '/t.S/Echo') + data(1, message(b'hello'))
park = headers(1, '/t.S/Park', grpc_timeout='1S') + data(1, message(b''))
info = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
seeds = {
    'echo': (PREFACE, 0, echo),
    'echo_bytewise': (PREFACE, 1, echo),
    'echo_tiny': (PREFACE | TINY, 0, echo),
    'echo_stuck': (PREFACE | STUCK, 0, echo),
    'fail': (PREFACE, 0, headers(1, '/t.S/Fail') + data(1, message(b'caf\xc3\xa9'))),
    'unknown': (PREFACE, 0, headers(1, '/t.S/Nope') + data(1, message(b''))),
    'gzip': (PREFACE | GZIP, 0, headers(1, '/t.S/Echo', grpc_encoding='gzip', grpc_accept_encoding='gzip')
             + data(1, zipped[:20], False) + data(1, zipped[20:])),
    'gzip_bomb': (PREFACE | TINY, 0, headers(1, '/t.S/Echo', grpc_encoding='gzip') + data(1, zipped)),
    'park_answer': (PREFACE | ANSWER, 200, park + ping),
    'park_reset': (PREFACE, 120, park + reset(1) + echo.replace(b'\0\0\0\1', b'\0\0\0\3')),
    'park_deadline': (PREFACE, 4, park + ping * 5),
    'park_stuck_reset': (PREFACE | STUCK | ANSWER, 130, park + reset(1)),
    'two_messages': (PREFACE, 0, headers(1, '/t.S/Echo') + data(1, message(b'a') + message(b'b'))),
    'too_large': (PREFACE, 0, headers(1, '/t.S/Echo') + data(1, b'\0\xff\xff\xff\xff', False)),
    'json': (PREFACE, 0, headers(1, '/t.S/Echo', content_type='application/json') + data(1, b'{}')),
    'health': (PREFACE, 0, headers(1, '/grpc.health.v1.Health/Check') + data(1, message(b'\x0a\x03t.S'))),
    'watch': (PREFACE, 0, headers(1, '/grpc.health.v1.Health/Watch') + data(1, message(b''))),
    'reflection': (PREFACE, 0, headers(1, info) + data(1, message(b'\x3a\0') + message(b'\x22\x03t.S')
                   + message(b'\x22\x08t.S.Echo') + message(b'\x1a\x07t.proto'))),
    'continuation': (PREFACE, 0, frame(1, 0, 1, literal(':method', 'POST')) + frame(9, 4, 1, literal(':path', '/'))),
    'goaway': (PREFACE, 0, echo + frame(7, 0, 0, bytes(8))),
    'http1': (0, 0, b'POST / HTTP/1.1\r\n\r\n'),
    'preface_only': (0, 3, b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + frame(4, 0, 0)),
}
OUT.mkdir(parents=True, exist_ok=True)
for name, (switches, piece, body) in seeds.items():
    (OUT / name).write_bytes(bytes([switches, piece]) + body)
