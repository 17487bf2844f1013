"""The pipeline by hand: from a notebook, a script or the command line, without Airflow.

Each function calls the ones that the operators call, so that a run by hand and one in Airflow reuse each other's
committed scores.
"""
