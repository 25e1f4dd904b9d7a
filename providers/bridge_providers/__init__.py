"""The providers that come with bridge; installed under the name `bridge_providers`."""
