"""Credit control: CCR to requests of charging, and their answers to CCA. Pure. Source: RFC 8506, TS 32.299."""
