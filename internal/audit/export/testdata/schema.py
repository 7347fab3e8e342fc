"""Holds OCSF events, a JSON object a line, to the schema of their version.

Prints a line for each thing that the schema does not take; nothing where all is well."""
import json
import sys

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

schemas, validators = {}, {}
for number, line in enumerate(sys.stdin, 1):
    event = json.loads(line)
    meta = event["metadata"]
    key = (meta["version"], event["class_uid"], tuple(meta["profiles"]))
    if key not in validators:
        if key[0] not in schemas:
            schemas[key[0]] = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=key[0]))
        s = schemas[key[0]]
        name = s.lookup_class_name_from_uid(class_uid=key[1])
        validators[key] = jsonschema.Draft202012Validator(s.get_class_schema(class_name=name, profiles=list(key[2])))
    for error in validators[key].iter_errors(event):
        print(f"line {number} ({event['unmapped']['kind']}, class {key[1]}): {error.json_path}: {error.message}")
