"""A bill as a document that people read: words and numbers first, ink second.

``document`` decides every text and is pure; ``pdf`` hands it to typst, which is imported only when something is drawn.
"""
