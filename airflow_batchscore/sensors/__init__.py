"""Sensors."""

from airflow_batchscore.sensors.partition import PartitionSensor

__all__ = ["PartitionSensor"]
