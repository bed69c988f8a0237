"""
Compare the vendor's pages with the OpenAPI document.

    saved_page.py       a file, Markdown or HTML, as Markdown
    blocks.py           the lines, tables and code of a page, in order
    wording.py          how pages write limits, types, headings, maxima and deprecations
    tables.py           the rows of a table of parameters or fields
    examples.py         the response example
    reader.py           all of it together: the facts of a page
    document_facts.py   the same facts of an operation of the document
    comparison.py       both side by side
    fingerprints.py     the texts that somebody has read
    facts.py            what both sides have in common
"""
