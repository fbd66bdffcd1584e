"""Networks, normalisation, and what of a model is meta-learned."""
