"""SQL of parties, their roles, proofs and consents."""
