"""Prints one JSON record a line; headrace reads them from standard output."""
import json
import sys

for i in range(1, 4):
    print(json.dumps({"data": {"id": i}, "metadata": {"key": f"k-{i}", "dest_topic": "extracted"}}))
print("extracted 3 records", file=sys.stderr)
