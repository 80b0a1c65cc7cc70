"""SQL of TMF resources that are kept as documents."""
