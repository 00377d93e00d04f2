"""Writes C source with the migrations of one database: embed.py NAME OUT FILE..."""
import os
import sys

name, out, files = sys.argv[1], sys.argv[2], sorted(sys.argv[3:])
rows = []
with open(out, "w", encoding="utf-8") as f:
    f.write('#include "schema/schema.h"\n\n')
    for i, path in enumerate(files):
        version = int(os.path.basename(path).split("_")[0])
        if version != i + 1:
            sys.exit(f"{path}: migrations are numbered without gaps, expected {i + 1}")
        with open(path, "rb") as src:
            data = src.read() + b"\0"
        f.write(f"static const char sql_{version}[] = {{\n")
        for at in range(0, len(data), 16):
            f.write("    " + " ".join(f"{b}," for b in data[at:at + 16]) + "\n")
        f.write("};\n\n")
        rows.append(f'    {{ {version}, "{os.path.basename(path)}", sql_{version} }},\n')
    f.write(f"const struct schema_migration schema_{name}[] = {{\n{''.join(rows)}    {{ 0 }},\n}};\n")
