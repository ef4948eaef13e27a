"""Whether rows are of a JSON Schema, and have no field that it does not name. Prints how many were looked at."""

import json
import sys

from jsonschema import Draft202012Validator

seen = 0
for given in json.load(open(sys.argv[1])):
    schema = {**given["schema"], "unevaluatedProperties": False}
    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for row in given["rows"]:
        for error in check.iter_errors(row):
            sys.exit(f"{given['name']}: {error.message} at {error.json_path}: {row}")
        seen += 1
print(seen)
