"""Other Pythons, for models whose libraries cannot live with Airflow's: docs/decisions/0028-a-python-for-a-model.md."""
