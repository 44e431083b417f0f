"""Texts of strangers (files, servers, libraries) in messages of one line."""


def one_line(text: object, most: int = 200) -> str:
    """
    Return an error's text, or any text out of a file, in one short printable line.

    :param text: what is shown; its ``str()`` is taken.
    :param most: longest result, characters.
    """
    line = ' '.join(str(text).split())[:most]
    return ''.join(char if char.isprintable() else '?' for char in line)
