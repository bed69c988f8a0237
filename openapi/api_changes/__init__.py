"""
Find what a change means for programs that import the packages.

    changes.py            a change, and the three headings under which changes are listed
    schema_changes.py     two versions of a schema, in a request or in a response
    document_changes.py   two versions of the OpenAPI document
    attrs_classes.py      an extension of griffe: the fields and the `__init__` of attrs classes
    python_api.py         the public names of the packages
    python_changes.py     two versions of the public names
    changelog.py          the entries that breaking changes need
"""
