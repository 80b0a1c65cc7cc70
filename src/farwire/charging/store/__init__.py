"""SQL of the control plane of charging."""
