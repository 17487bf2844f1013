"""Sensors."""

from airflow_batchscore.compat import require_airflow

require_airflow()

from airflow_batchscore.sensors.partition import PartitionSensor

__all__ = ["PartitionSensor"]
