"""Makes the client view from the server view.

    client_view.py DESCRIPTOR_SET DESCRIPTOR_SET_OUT TABLES_OUT

The server view declares what the server only carries as bytes, with the message's name behind it as a comment. A
client looks into everything, so here such a field gets the type that its comment names. Two things come out: a
descriptor set, for the comparison with the official one, and tables in C, for common/apijson. The input is made
with --include_source_info.
"""
import struct
import sys

MESSAGE, ENUM, STRING, BYTES = 11, 14, 9, 12
REPEATED = 3
# Files of our generator, and the reflection service, which is no part of the API.
LEFT_OUT = ("protobuf-c/protobuf-c.proto", "google/protobuf/descriptor.proto", "reflection.proto")
# Messages with a JSON form of their own.
SPECIAL = {
    "google.protobuf.Timestamp": "TIMESTAMP", "google.protobuf.Duration": "DURATION",
    "google.protobuf.FieldMask": "FIELD_MASK", "google.protobuf.DoubleValue": "WRAPPER", "google.protobuf.Any": "ANY",
    "temporal.api.common.v1.Payload": "PAYLOAD", "temporal.api.common.v1.Payloads": "PAYLOADS",
}
KINDS = {1: "DOUBLE", 2: "FLOAT", 3: "INT64", 4: "UINT64", 5: "INT32", 6: "FIXED64", 7: "FIXED32", 8: "BOOL",
         9: "STRING", 11: "MESSAGE", 12: "BYTES", 13: "UINT32", 14: "ENUM", 17: "SINT32", 18: "SINT64"}


# --- the wire format: a message is a list of [number, wire type, value] ---

def varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return n, at


def decode(data):
    fields, at = [], 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = {1: 8, 5: 4}[key & 7]
            value, at = data[at:at + size], at + size
        fields.append([key >> 3, key & 7, value])
    return fields


def put_varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def encode(fields):
    out = b""
    for number, kind, value in fields:
        if isinstance(value, list):
            value = encode(value)
        out += put_varint(number << 3 | kind)
        out += put_varint(value) if kind == 0 else put_varint(len(value)) + value if kind == 2 else value
    return out


def get(fields, number, default=None):
    found = [v for n, _, v in fields if n == number]
    return found[-1] if found else default


def text(fields, number):
    return (get(fields, number) or b"").decode()


def put(fields, number, kind, value):
    fields[:] = [f for f in fields if f[0] != number] + [[number, kind, value]]


def unfold(fields, numbers):
    """Decodes the embedded messages of these numbers in place, and gives them with their index among their kind."""
    for field in fields:
        if field[0] in numbers and not isinstance(field[2], list):
            field[2] = decode(field[2])


def children(fields, number):
    unfold(fields, (number,))
    return [v for n, _, v in fields if n == number]


# --- the change ---

def comments(file):
    """path of a declaration -> the comment behind it"""
    found = {}
    for location in children(decode(get(file, 9, b"")), 1):
        path, data, at = [], get(location, 1, b""), 0
        while at < len(data):
            n, at = varint(data, at)
            path.append(n)
        found[tuple(path)] = text(location, 4).strip()
    return found


class View:
    def __init__(self, data):
        self.files = [f for f in children(decode(data), 1) if text(f, 1) not in LEFT_OUT]
        self.messages, self.enums, self.by_short_name = {}, {}, {}
        self.trailing = {}  # full message name -> {field index: comment}
        for file in self.files:
            said = comments(file)
            for i, message in enumerate(children(file, 4)):
                self.take(text(file, 2), message, said, (4, i))
            for enum in children(file, 5):
                self.enums[text(file, 2) + "." + text(enum, 1)] = enum
        self.methods = [
            (f"{text(file, 2)}.{text(service, 1)}", text(m, 1), text(m, 2)[1:], text(m, 3)[1:])
            for file in self.files for service in children(file, 6) for m in children(service, 2)]
        for full, message in self.messages.items():
            self.by_short_name.setdefault(full.rsplit(".", 1)[1], []).append(full)
        for full, message in self.messages.items():
            for i, field in enumerate(children(message, 2)):
                self.look_into(full, field, self.trailing[full].get(i, ""))

    def take(self, scope, message, said, path):
        full = f"{scope}.{text(message, 1)}"
        self.messages[full] = message
        self.trailing[full] = {i: said.get(path + (2, i), "") for i in range(len(children(message, 2)))}
        for i, nested in enumerate(children(message, 3)):
            self.take(full, nested, said, path + (3, i))
        for enum in children(message, 4):
            self.enums[f"{full}.{text(enum, 1)}"] = enum

    def is_map(self, full):
        return get(decode(get(self.messages[full], 7, b"")), 7, 0) == 1

    def named(self, scope, short):
        """The message of that name: in the same package before others."""
        found = self.by_short_name.get(short, [])
        near = [f for f in found if f.rsplit(".", 1)[0] == scope.rsplit(".", 1)[0]]
        if len(near or found) > 1:
            sys.exit(f"{scope}: {short} could be any of {', '.join(found)}")
        return (near or found or [None])[0]

    def look_into(self, full, field, comment):
        target = field
        if get(field, 5) == MESSAGE and self.is_map(text(field, 6)[1:]):
            target = children(self.messages[text(field, 6)[1:]], 2)[1]
        if get(target, 5) != BYTES:
            return
        if full == "temporal.api.history.v1.HistoryEvent":  # a member's message has its name
            comment = comment or "".join(w.capitalize() for w in text(field, 1).split("_"))
        comment = comment.split(":")[0]
        found = comment if comment in self.messages else self.named(full, comment)
        if found:
            put(target, 5, 0, MESSAGE)
            put(target, 6, 2, ("." + found).encode())

    def descriptor_set(self):
        for file in self.files:
            file[:] = [f for f in file if f[0] != 9]
        return encode([[1, 2, file] for file in self.files])


# --- the tables ---

class Names:
    def __init__(self):
        self.at, self.all = {}, bytearray()

    def __call__(self, name):
        if name not in self.at:
            self.at[name] = len(self.all)
            self.all += name.encode() + b"\0"
        return self.at[name]


def tables(view):
    names = Names()
    types = sorted(full for full in view.messages)
    enums = sorted(view.enums)
    fields, values, type_rows, enum_rows = [], [], [], []
    for full in types:
        message = view.messages[full]
        rows = children(message, 2)
        oneofs = [text(o, 1) for o in children(message, 8)]
        type_rows.append(f"{{ {names(full)}, {len(fields)}, {len(rows)}, API_{SPECIAL.get(full, 'PLAIN')} }}")
        for field in rows:
            kind, flags, target = get(field, 5), [], 0
            name = text(field, 6)[1:]
            if kind == MESSAGE:
                target = types.index(name)
            elif kind == ENUM:
                target = enums.index(name)
            if kind == MESSAGE and view.is_map(name):
                flags.append("API_MAP")
            elif get(field, 4) == REPEATED:
                flags.append("API_REPEATED")
            elif get(field, 9) is not None:
                flags.append("API_PRESENT" if get(field, 17) else "API_ONEOF")
            fields.append(f"{{ {names(text(field, 1))}, {get(field, 3)}, API_KIND_{KINDS[kind]}, "
                          f"{' | '.join(flags) or 0}, {target} }}")
        assert len(oneofs) < 256
    for full in enums:
        rows = children(view.enums[full], 2)
        enum_rows.append(f"{{ {names(full)}, {len(values)}, {len(rows)} }}")
        for value in rows:
            number = struct.unpack("<i", struct.pack("<I", get(value, 2, 0) & 0xFFFFFFFF))[0]
            values.append(f"{{ {names(text(value, 1))}, {number} }}")
    methods = [f"{{ {names(service + '/' + name)}, {types.index(i)}, {types.index(o)} }}"
               for service, name, i, o in view.methods]
    out = ["/* Made by proto/client_view.py. */"]
    for struct_name, name, rows in (("api_type", "types", type_rows), ("api_field", "fields", fields),
                                    ("api_enum", "enums", enum_rows), ("api_enum_value", "values", values),
                                    ("api_method", "methods", methods)):
        out.append(f"const struct {struct_name} api_{name}[] = {{")
        out += [f"    {row}," for row in rows]
        out += ["};", f"const size_t api_{name[:-1]}_count = {len(rows)};"]
    out.append("const char api_names[] = {")
    out += ["    " + "".join(f"{b}," for b in names.all[i:i + 32]) for i in range(0, len(names.all), 32)]
    return "\n".join(out + ["};", ""])


def main():
    source, descriptor_set, table_file = sys.argv[1:]
    with open(source, "rb") as f:
        view = View(f.read())
    table_text = tables(view)
    with open(descriptor_set, "wb") as f:
        f.write(view.descriptor_set())
    with open(table_file, "w", encoding="ascii") as f:
        f.write(table_text)


main()
