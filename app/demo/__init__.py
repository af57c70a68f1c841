"""A firm to look at: a year of its history, made by the product's own commands with a clock that travels."""
