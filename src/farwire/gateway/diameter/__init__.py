"""Diameter: credit control of RFC 8506 and TS 32.299 (Gy, Ro), put to online charging."""
