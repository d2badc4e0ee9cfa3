"""Text that comes from outside, as a person may read it: no character of it moves the cursor, begins a
line or changes a colour.
"""


def escaped(text: str) -> str:
    r"""The text, with every character that cannot be printed written as Python writes it: `\n`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def indented(text: str, by: str) -> str:
    """Several lines, each of them escaped; those after the first begin with `by`, as no line of ours."""
    return f"\n{by}".join(map(escaped, text.split("\n")))
