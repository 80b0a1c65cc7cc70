"""RADIUS: authentication, accounting and dynamic authorisation (RFC 2865, 2866, 2869, 5176), put to online charging."""
