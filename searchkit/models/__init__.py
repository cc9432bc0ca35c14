"""Networks in plain torch: they compute, and read or write no files.

Names of modules and tensors are those of the published weights where there are any.
"""
