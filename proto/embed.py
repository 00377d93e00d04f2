"""Writes a file's bytes as the elements of a C array: embed.py INPUT OUTPUT."""
import sys

with open(sys.argv[1], "rb") as f:
    data = f.read()
with open(sys.argv[2], "w", encoding="ascii") as f:
    for i in range(0, len(data), 24):
        f.write("".join(f"{b}," for b in data[i : i + 24]) + "\n")
