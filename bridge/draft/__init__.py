"""Drafts the files of a new environment, from a kustomize layout or like another environment."""
