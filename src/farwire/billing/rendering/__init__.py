"""A bill as a document that people read: words and numbers first, ink second.

``document`` is pure; ``pdf`` draws it with reportlab, which is imported only when something is drawn.
"""
