"""This package's sensor beside the amazon provider's, on the same late file."""

from __future__ import annotations

from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.sdk import DAG

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.sensors import PartitionSensor

with DAG("s3_sensors", schedule=None, params={"prefix": "late"}) as dag:
    S3KeySensor(
        task_id="key",
        bucket_key="s3://tennis/{{ params.prefix }}/part_5.csv",
        poke_interval=1,
        timeout=60,
    )
    PartitionSensor(
        task_id="partition",
        dataset=PartitionedDataset("s3://tennis/{{ params.prefix }}/part_{p}.csv"),
        partitions=[5],
        deferrable=False,
        poke_interval=1,
        timeout=60,
    )
