"""The command line: ``batchscore``, or ``python -m airflow_batchscore``. Each command calls one function of `api`."""
