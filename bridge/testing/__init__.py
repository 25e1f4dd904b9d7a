"""What tests and the demo need: the contract of a provider and an embedded cluster."""
